"""Conversations about pictures, as LLaVA has them (Liu et al. 2023, 2304.08485)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_sources.annotations.json_file import read_json
from mm_sources.table.text import read_text_lines
from mmcore.errors import DataError
from mmcore.interfaces.source import BrokenRow, Row, Source

COLUMNS = ("id", "image", "conversation")
SPEAKERS = {"human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt", "system": "system"}
PICTURE = "<image>"
"""Stands in a turn for the picture."""


class ConversationsSource(Source):
    """A row a conversation: its picture, and its turns as a JSON list of {"from": human, gpt or system, "value"}."""

    def __init__(self, *, folder: str, file: str, images: str = "images") -> None:
        """folder: of the set; the rest lies inside. file: a JSON list, or JSON lines (.jsonl). images: a folder."""
        self.folder, self.file, self.images = Path(folder), file, images

    @property
    def base(self) -> Path:
        """The set's folder."""
        return self.folder

    @property
    def watch(self) -> Sequence[str]:
        """The set's folder."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """id, image (None where the talk is about none), conversation."""
        return COLUMNS

    def rows(self) -> Iterator[Row]:
        """Every conversation; one that cannot be learned from is broken. Raises DataError that names the file."""
        for number, entry in enumerate(self._entries()):
            row = dict.fromkeys(COLUMNS) | {"id": str(entry.get("id", number))}
            image = entry.get("image") or None
            if isinstance(image, str):
                row["image"] = f"{self.images}/{image}"
            try:
                turns = turns_of(entry)
                row["conversation"] = json.dumps(turns, ensure_ascii=False)
                _check_picture(image, turns)
            except DataError as error:
                yield BrokenRow(row, f"conversation {number + 1}: {error}")
            else:
                yield row

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        path = self.folder / self.file
        found = self._lines(path) if path.suffix.lower() in (".jsonl", ".ndjson") else read_json(path)
        if isinstance(found, Mapping):
            raise DataError("it must be a list of conversations, but holds one object.", path=path)
        for number, entry in enumerate(found):
            if not isinstance(entry, Mapping):
                raise DataError(f"conversation {number + 1} must be an object but is {str(entry)[:40]!r}.", path=path)
            yield entry

    def _lines(self, path: Path) -> Iterator[Any]:
        if not path.is_file():
            raise DataError(f"there is no such file (looked in {Path.cwd()}).", path=path)
        for number, line in enumerate(read_text_lines(path), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise DataError(
                        f"line {number}, column {error.colno} is not JSON: {error.msg}.", path=path
                    ) from error


def turns_of(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The turns, with speakers called human, gpt and system. Raises DataError where they are no conversation."""
    turns = entry.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise DataError("it has no list of 'conversations'.")
    found = list[dict[str, str]]()
    for number, turn in enumerate(turns, 1):
        speaker, said = (turn.get(key) for key in ("from", "value")) if isinstance(turn, Mapping) else (None, None)
        if not isinstance(speaker, str) or speaker not in SPEAKERS or not isinstance(said, str):
            raise DataError(f'turn {number} must be {{"from": human or gpt, "value": a text}} but is {str(turn)[:60]}.')
        found.append({"from": SPEAKERS[speaker], "value": said})
    _check_order([turn["from"] for turn in found])
    return found


def _check_order(speakers: Sequence[str]) -> None:
    """A system's word first or not at all, then human and gpt by turns, at least one of each."""
    start = 1 if speakers[0] == "system" else 0
    talk = speakers[start:]
    if talk[:1] == ["gpt"]:
        raise DataError("it starts with the answer: the first turn must be a human's.")
    for number, speaker in enumerate(talk):
        if speaker != ("human", "gpt")[number % 2]:
            raise DataError(f"turn {start + number + 1} is {speaker}'s again: human and gpt must take turns.")
    if "gpt" not in talk:
        raise DataError("it has no answer to learn from.")


def _check_picture(image: object, turns: Sequence[Mapping[str, str]]) -> None:
    if image is not None and not isinstance(image, str):
        raise DataError(f"'image' must be one path but is {str(image)[:60]}.")
    if image is None and any(PICTURE in turn["value"] for turn in turns):
        raise DataError(f"a turn speaks of {PICTURE}, but no 'image' is named.")
