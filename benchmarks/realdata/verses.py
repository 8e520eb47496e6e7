"""A picture and its Chinese name -> a line of verse; weakly paired, by a character that name and line share."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from realdata import emoji, poems_zh
from realdata.archives import unpacked
from realdata.tables import read_csv, write_table

LINES_EACH = 6
"""Of one picture: there is no right line, so a model must see several."""
LENGTHS = range(4, 10)
COMMONEST = 0.02
"""A character in more than this share of the lines (人, 不) says nothing of a picture."""
EMPTY = "的"
"""Nor does this one, which is rare in verse."""

Line = str


def prepare(data: Path, cache: Path) -> None:
    """verses.csv beside the pictures: image, name, verse, shared, code, split."""
    emoji.prepare(data, cache)
    folder = unpacked("emoji", data=data, cache=cache)
    songs = poems_zh.songs(unpacked("poems_zh", data=data, cache=cache) / "dev")
    lines = {split: lines_of(song["text"] for song in songs if song["split"] == split) for split in ("train", "test")}
    names = [row for row in read_csv(folder / "names.csv") if row["kind"] == "name"]
    write_table(folder / "verses.csv", verses(names, lines))


def verses(names: Sequence[Mapping[str, str]], lines: Mapping[str, Sequence[Line]]) -> list[dict[str, str]]:
    """Up to LINES_EACH lines for each picture, from poems of its own split; none where no character is shared."""
    common = Counter(character for line in lines["train"] for character in set(line))
    most = COMMONEST * len(lines["train"])
    rows = list[dict[str, str]]()
    for split, known in lines.items():
        holding = dict[str, list[Line]]()
        for line in known:
            for character in set(line):
                holding.setdefault(character, []).append(line)
        for row in (row for row in names if row["split"] == split):
            telling = [
                c for c in dict.fromkeys(row["chinese"]) if c in holding and c not in EMPTY and 0 < common[c] <= most
            ]
            if telling:
                shared = min(telling, key=lambda character: common[character])
                draw = random.Random(row["code"])
                chosen = draw.sample(holding[shared], min(LINES_EACH, len(holding[shared])))
                about = {"image": row["image"], "name": row["chinese"], "shared": shared}
                rows += [{**about, "verse": line, "code": row["code"], "split": split} for line in chosen]
    return rows


def lines_of(texts: Iterable[str]) -> list[Line]:
    """Lines of verse without their punctuation, each once, in order."""
    parts = (part for text in texts for part in re.split(r"[，。、？！；：\s]", text))
    return list(dict.fromkeys(part for part in parts if len(part) in LENGTHS and part.isalpha()))
