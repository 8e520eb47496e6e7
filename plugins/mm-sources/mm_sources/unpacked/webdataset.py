"""WebDataset: tar files in which the members of a sample share a name (Aizman et al. 2020, 2001.01858)."""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_sources.unpacked.once import unpack_once
from mm_sources.unpacked.shards import content, groups, opened, shard_names, shard_paths
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import BrokenRow, Row, Source

PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
SOUNDS = ("wav", "flac", "mp3", "ogg", "opus", "m4a")
COLUMN_OF = {**dict.fromkeys(PICTURES, "image"), **dict.fromkeys(SOUNDS, "audio")}
"""Endings that share a column; every other has a column of its own name."""
TEXTS = ("txt", "text", "caption", "transcript", "cls", "cls2", "index")
"""Endings of members whose content is the cell."""


class WebDatasetSource(Source):
    """A row a sample. Pictures, sounds and what else is a file are unpacked once, texts and JSON become cells.

    Of JSON objects each key is a column `json.KEY`.
    """

    def __init__(self, *, shards: str, unpack_to: str) -> None:
        """shards: a path with `*` or `{000..127}`. unpack_to: a folder for the files that the shards hold."""
        self.shards, self.unpack_to = shards, Path(unpack_to)

    @property
    def base(self) -> Path:
        """The folder that members are unpacked to; unpacks them where that was not done yet."""
        paths = shard_paths(self.shards)
        unpack_once(self.unpack_to, shard_names(paths), lambda: self._files(paths))
        return self.unpack_to

    @property
    def watch(self) -> Sequence[str]:
        """The shards."""
        return [str(path) for path in shard_paths(self.shards)]

    def columns(self) -> Sequence[str]:
        """key, and what any sample has, in order of appearance. Walks through all shards."""
        found = dict.fromkeys(["key"])
        for cells, _ in self._samples():
            found |= dict.fromkeys(cells)
        return list(found)

    def rows(self) -> Iterator[Row]:
        """Every sample, None where it lacks a member. Raises DataError that names the shard."""
        columns = self.columns()
        for cells, fault in self._samples():
            row = {name: cells.get(name) for name in columns}
            yield row if fault is None else BrokenRow(row, fault)

    def _samples(self) -> Iterator[tuple[dict[str, Cell | None], str | None]]:
        """The cells of every sample, and what is wrong with it."""
        for path, name in shard_names(shard_paths(self.shards)).items():
            with opened(path) as tar:
                for group in groups(tar, path):
                    cells: dict[str, Cell | None] = {"key": f"{name}/{group.key}"}
                    fault = None
                    for ending, member in group.members.items():
                        try:
                            place = f"{name}/{group.key}.{ending}"
                            _add(cells, _cells(tar, member, ending, place=place), member.name)
                        except DataError as error:
                            fault = str(error)
                    yield cells, fault

    def _files(self, paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
        for path, name in shard_names(paths).items():
            with opened(path) as tar:
                for group in groups(tar, path):
                    for ending, member in group.members.items():
                        if _is_file(ending):
                            yield f"{name}/{group.key}.{ending}", content(tar, member)


def _is_file(ending: str) -> bool:
    return ending not in TEXTS and not _is_json(ending)


def _is_json(ending: str) -> bool:
    return ending.rpartition(".")[2] == "json"


def _add(cells: dict[str, Cell | None], more: Mapping[str, Cell | None], member: str) -> None:
    for name, cell in more.items():
        if name in cells:
            raise DataError(f"it has {cells[name]} and {member}: two members for the column {name!r}.")
        cells[name] = cell


def _cells(tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, *, place: str) -> dict[str, Cell | None]:
    """What one member adds to its row; `place` is where it is unpacked to. Raises DataError for broken texts."""
    if _is_file(ending):
        return {COLUMN_OF.get(ending, ending): place}
    try:
        text = content(tar, member).decode("utf-8").strip()
        if not _is_json(ending):
            return {ending: text}
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{member.name}: byte {error.start + 1} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{member.name}: {place} is not JSON: {error.msg}.") from error
    if not isinstance(found, dict):
        return {ending: _plain(found)}
    return {f"{ending}.{name}": _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Cell | None:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
