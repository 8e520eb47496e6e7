"""A folder that the library `datasets` of Hugging Face wrote with save_to_disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm_sources.unpacked.once import unpack_once
from mmcore.errors import DataError, SetupError, listing
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import BrokenRow, Row, Source

FILES = ("Image", "Audio", "Video")
"""Features that are files, kept as bytes inside the set."""
BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
}
"""How files begin, for those that have lost their name."""


class HFDatasetSource(Source):
    """A row a sample. Pictures and sounds are unpacked once; labels become their names, lists JSON texts."""

    def __init__(self, *, folder: str, unpack_to: str) -> None:
        """folder: what save_to_disk wrote. unpack_to: a folder for the files that the set holds."""
        self.folder, self.unpack_to = Path(folder), Path(unpack_to)

    @property
    def base(self) -> Path:
        """The folder that files are unpacked to; unpacks them where that was not done yet."""
        inside = sorted(path for path in self.folder.rglob("*") if path.is_file())
        unpack_once(self.unpack_to, dict.fromkeys(inside, ""), self._files)
        return self.unpack_to

    @property
    def watch(self) -> Sequence[str]:
        """What save_to_disk wrote."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """The set's own and, where it has several splits, `split`. Raises DataError where its own has that name too."""
        return _columns(self._splits())

    def rows(self) -> Iterator[Row]:
        """Every sample, split by split. Raises DataError where the folder cannot be read."""
        splits = self._splits()
        columns = _columns(splits)
        for split, found in splits.items():
            for number, sample in enumerate(found):
                cells, fault = dict[str, Cell | None](), None
                for name, feature in found.features.items():
                    try:
                        cells[name] = cell_of(sample[name], feature, f"{split}/{name}/{number:08d}")
                    except DataError as error:
                        fault = f"column {name!r} {error}"
                row = dict.fromkeys(columns) | ({"split": split} if "split" in columns else {}) | cells
                yield row if fault is None else BrokenRow(row, fault)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for split, found in self._splits().items():
            names = [name for name, feature in found.features.items() if type(feature).__name__ in FILES]
            for number, sample in enumerate(found.select_columns(names) if names else []):
                for name in names:
                    if sample[name] is not None and (content := _content(sample[name])) is not None:
                        yield f"{split}/{name}/{number:08d}{_ending(sample[name], content)}", content

    def _splits(self) -> dict[str, Any]:
        """Split -> datasets.Dataset whose files stay files; a set without splits is one that is called data."""
        try:
            from datasets import DatasetDict, load_from_disk  # seconds to import, and only this source needs it
        except ImportError as error:
            raise SetupError("the library 'datasets' is not installed. Run `pip install datasets`.") from error
        if not self.folder.is_dir():
            raise DataError(f"there is no such folder (looked in {Path.cwd()}).", path=self.folder)
        try:
            found = load_from_disk(str(self.folder))
        except (OSError, ValueError, KeyError, TypeError) as error:  # those of pyarrow and json are among them
            raise DataError(f"this is no set that save_to_disk wrote: {error}", path=self.folder) from error
        splits = dict(found) if isinstance(found, DatasetDict) else {"data": found}
        return {str(name): _undecoded(split) for name, split in splits.items()}


def _columns(splits: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys(name for found in splits.values() for name in found.features)
    if len(splits) > 1 and "split" in names:
        raise DataError(
            f"the set has the splits {listing(splits)}, which become the column 'split', and a column of that name. "
            "Save it with another name (rename_column), or without it (remove_columns)."
        )
    return list(names | (dict.fromkeys(["split"]) if len(splits) > 1 else {}))


def _undecoded(found: Any) -> Any:
    """The set with files as {"bytes", "path"}, not as pictures and waves."""
    for name, feature in found.features.items():
        if (raw := _raw(feature)) != feature:
            found = found.cast_column(name, raw)
    return found


def _raw(feature: Any) -> Any:
    """Files undecoded, in lists and structs too: there they cannot become cells, and decoding may want a library."""
    if type(feature).__name__ in FILES:
        return type(feature)(decode=False)
    if isinstance(feature, dict):
        return {name: _raw(inner) for name, inner in feature.items()}
    return replace(feature, feature=_raw(feature.feature)) if hasattr(feature, "feature") else feature


def cell_of(value: Any, feature: Any, place: str) -> Cell | None:
    """A value as a cell. place: where a file is unpacked to, without its ending.

    Raises DataError for bare bytes, and for lists of files or of what else is no text or number.
    """
    kind = type(feature).__name__
    if value is None:
        return None
    if kind in FILES:
        content = _content(value)
        if content is None:
            raise DataError(f"names the file {value.get('path')!r}, which is not there.")
        return place + _ending(value, content)
    if kind == "ClassLabel":
        return _label(value, feature)
    if type(inner := getattr(feature, "feature", None)).__name__ == "ClassLabel":
        value = [_label(number, inner) for number in value]
    if isinstance(value, bytes):
        raise DataError("holds bytes: cast it to datasets.Image() or datasets.Audio(), or leave it out.")
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else json.dumps(value, ensure_ascii=False, default=_plain)


def _label(number: int | None, feature: Any) -> str | None:
    return None if number is None or number < 0 else feature.names[number]  # -1 stands for no label


def _plain(value: Any) -> str:
    """What stands in a list or a struct, is no JSON, and reads well."""
    if isinstance(value, date | time | timedelta | Decimal):
        return str(value)
    raise DataError(
        f"holds a list or a struct with {type(value).__name__} inside. A cell is one file: give each file a row or a "
        "column of its own, or save the set without the column (remove_columns)."
    )


def _content(value: Mapping[str, Any]) -> bytes | None:
    """The bytes of a file, from the set or from where it says; None where they are in neither place."""
    if value.get("bytes") is not None:
        return bytes(value["bytes"])
    path = Path(value.get("path") or "")
    return path.read_bytes() if path.is_file() else None


def _ending(value: Mapping[str, Any], content: bytes) -> str:
    """By the file's name or else by how it begins."""
    named = Path(value.get("path") or "").suffix.lower()
    if named:
        return named
    if content[:4] == b"RIFF":
        return ".webp" if content[8:12] == b"WEBP" else ".wav"
    return next((ending for start, ending in BEGINNINGS.items() if content.startswith(start)), ".bin")
