"""One stage's entry put into the text of dvc.lock, byte for byte as DVC would have written the file.

DVC reads the whole file and writes it anew for each stage, with a parser that keeps comments and is slow: most of what
its bookkeeping costs (benchmarks/NOTES.md). Here the text around the entry stays as it is.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mmcore.config.params import YAML_LOADER

TOP = "schema: '2.0'\nstages:\n"
INDENT = "  "


def put_entry(text: str, name: str, block: str) -> str | None:
    """The text of dvc.lock with `block` as the entry of the stage `name`: in place of the old one, or at the end.

    text: the file as it is, empty where there is none. block: `stages:` with this entry alone, as DVC's writer has it.
    None where the file is not laid out as DVC does it (comments, data sets, other indents): then DVC has to write it.
    """
    heading, *entry = block.splitlines(keepends=True)
    lines = (text or TOP).splitlines(keepends=True)
    known, entries = lines[:2], lines[2:]
    if "".join(known) != TOP or any(line.strip() and not line.startswith(INDENT) for line in entries):
        return None
    first = next((place for place, line in enumerate(entries) if line == entry[0]), len(entries))
    after = next((place for place in range(first + 1, len(entries)) if _starts_entry(entries[place])), len(entries))
    changed = "".join([*known, *entries[:first], *entry, *entries[after:]])
    return changed if _is_put(text, changed, heading + "".join(entry)) else None


def replace_text(path: Path, text: str) -> None:
    """The file is the old one or the new one, whenever the machine goes off. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _starts_entry(line: str) -> bool:
    return line.startswith(INDENT) and not line.startswith(INDENT + " ") and bool(line.strip())


def _is_put(before: str, after: str, block: str) -> bool:
    """Whether the entry, and nothing else, is another one: read with a parser that is quick and knows no comments."""
    if "#" in after:
        return False  # a comment, perhaps: DVC's writer moves these as it sees fit
    try:
        old, new, put = (yaml.load(text, YAML_LOADER) or {} for text in (before, after, block))
        stages: Mapping[str, Any] = {**old.get("stages", {}), **put["stages"]}
        once = sum(map(_starts_entry, after.splitlines(keepends=True))) == len(stages)  # not twice, quoted once
        return once and new == {"schema": "2.0", "stages": stages} and [*new["stages"]] == [*stages]
    except (yaml.YAMLError, AttributeError, TypeError):
        return False
