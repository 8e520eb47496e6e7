"""Emoji with English and Chinese names and keywords."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from realdata.archives import unpacked
from realdata.tables import held_out, place_of, write_table

LANGUAGES = ("en", "zh")
TEST = 264
PERSONS = r"\b(man|woman|person|men|women|people|mr|mrs|mx|boy|girl|child|prince|princess|king|queen)\b"
VARIANTS = r"facing right|with veil|in tuxedo|medium|dark|light"

Item = dict[str, Any]


def prepare(data: Path, cache: Path) -> None:
    """names.csv (random test part), concepts.csv (whole concepts), captions.csv (one name each) beside the pictures."""
    folder = unpacked("emoji", data=data, cache=cache)
    lines = (folder / "dev" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    concepts = {item["codepoints"]: concept_of(item["captions"]["en"]) for item in items}
    at_random = names(items, test=held_out(concepts, count=TEST))
    write_table(folder / "names.csv", at_random)
    write_table(folder / "concepts.csv", names(items, test=whole_concepts(concepts, count=TEST)))
    write_table(folder / "captions.csv", [row for row in at_random if row["kind"] == "name"])


def names(items: Sequence[Item], *, test: Collection[str]) -> list[Item]:
    """image, name (English, then Chinese), english, chinese, code, kind, split.

    A training item has a second row with its keywords for its name; those of a test item would be a second answer.
    """
    rows = list[Item]()
    for item in items:
        about = {"code": item["codepoints"], "split": "test" if item["codepoints"] in test else "train"}
        texts = {"name": [item["captions"][language] for language in LANGUAGES]}
        if about["split"] == "train":
            texts["keywords"] = [" ".join(item["keywords"][language]) for language in LANGUAGES]
        for kind, (english, chinese) in texts.items():
            said = {"name": f"{english} {chinese}".strip(), "english": english, "chinese": chinese}
            rows.append({"image": f"dev/{item['image']}", **said, "kind": kind, **about})
    return rows


def concept_of(name: str) -> str:
    """The name without who it is: `woman running` and `man running: facing right` are one concept."""
    words = re.sub(VARIANTS, " ", re.sub(PERSONS, " ", name.lower()))
    words = " ".join(re.findall(r"[^\W_]+", words))
    return words or "person"


def whole_concepts(concepts: Mapping[str, str], *, count: int) -> set[str]:
    """`count` items at most, concept by concept in the order of their places."""
    chosen = set[str]()
    for concept in sorted(set(concepts.values()), key=place_of):
        members = {code for code, its in concepts.items() if its == concept}
        if len(chosen) + len(members) <= count:
            chosen |= members
    return chosen
