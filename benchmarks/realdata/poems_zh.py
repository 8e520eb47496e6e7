"""Song ci: a tune and a first line are given, the rest is to be written."""

import json
from pathlib import Path

from realdata.archives import unpacked
from realdata.tables import write_table

SPLITS = {"ci.song.10000.json": "validation", "ci.song.11000.json": "test"}
SEPARATOR = "\n"


def prepare(data: Path, cache: Path) -> None:
    """songs.jsonl: text (tune, colon, first line, a line's end, the rest without line breaks), tune, author, split."""
    folder = unpacked("poems_zh", data=data, cache=cache)
    write_table(folder / "songs.jsonl", songs(folder / "dev"))


def songs(dev: Path) -> list[dict[str, str]]:
    """Every ci that has more than a first line; files are whole in one split."""
    files = sorted((dev / "宋词").glob("ci.song.*.json"), key=lambda path: int(path.name.split(".")[2]))
    rows = list[dict[str, str]]()
    for path in files:
        for song in json.loads(path.read_text(encoding="utf-8")):
            first, *rest = [line.strip() for line in song["paragraphs"] if line.strip()] or [""]
            if rest:
                text = f"{song['rhythmic']}：{first}{SEPARATOR}{''.join(rest)}"
                about = {"tune": song["rhythmic"], "author": song["author"]}
                rows.append({"text": text, **about, "split": SPLITS.get(path.name, "train")})
    return rows
