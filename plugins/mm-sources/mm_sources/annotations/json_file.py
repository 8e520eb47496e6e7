"""JSON files and what they must hold, with the place of what is wrong."""

import codecs
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mmcore.errors import DataError

Kind = TypeVar("Kind")


def read_json(path: Path) -> Any:
    """The content. Raises DataError that names the file, and the line and column where it breaks."""
    try:
        raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        what = (
            "there is no such file" if isinstance(error, FileNotFoundError) else f"it cannot be read: {error.strerror}"
        )
        raise DataError(f"{what} (looked in {Path.cwd()}).", path=path) from error
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start + 1} is not UTF-8. Save it as UTF-8.", path=path) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno} (character {error.pos + 1})"
        raise DataError(f"{place} is not JSON: {error.msg}.", path=path) from error
    except RecursionError as error:
        raise DataError("it is nested too deeply to be read.", path=path) from error


def entries(found: Any, key: str, path: Path) -> list[Mapping[str, Any]]:
    """The objects in the list under `key`. Raises DataError where that is something else."""
    listed = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        there = ", ".join(map(str, found)) if isinstance(found, Mapping) else f"a {type(found).__name__}"
        raise DataError(f"it must be an object with a list {key!r}, but it holds {there or 'nothing'}.", path=path)
    for number, entry in enumerate(listed):
        if not isinstance(entry, Mapping):
            raise DataError(f"{key}[{number}] must be an object but is {str(entry)[:40]!r}.", path=path)
    return listed


def value(entry: Mapping[str, Any], key: str, kind: type[Kind], *, where: str, path: Path) -> Kind:
    """entry[key], of a type. Raises DataError that names the entry where it is not there or another."""
    found = entry.get(key)
    if not isinstance(found, kind) or isinstance(found, bool):
        what = f"has no {key!r}" if key not in entry else f"has {str(found)[:40]!r} as {key!r}"
        raise DataError(f"{where} {what}; it must be a {kind.__name__}.", path=path)
    return found
