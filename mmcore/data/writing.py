"""Files that are whole or not there: written beside their place, then moved onto it."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from mmcore.errors import SetupError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, moved onto `path` where the block ends well and removed where it does not.

    Raises SetupError that names `path` where the disk is full or may not be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> SetupError:
    """What to tell where the system refuses to write."""
    return SetupError(f"cannot write {path}: {error.strerror or error}. Free some disk space or mend the permissions.")


class Writes(Protocol):
    """An open text file, or a buffer."""

    def write(self, text: str, /) -> Any:
        """Take a text."""


class CsvLines:
    """What a writer of the module csv may write to, with its lines ending in \\n, and no lone \\r left unquoted.

    Told to end lines in \\n itself, Python before 3.13 quotes no \\r, which every reader takes for the end of a line.
    """

    def __init__(self, file: Writes) -> None:
        """file: opened with newline=""."""
        self._file = file

    def write(self, line: str) -> None:
        """One line, as the writer gives it with its default end."""
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs: sorted keys, so that the same value gives the same bytes."""
    with whole_file(path) as part:
        part.write_text(json_text(value, indent=2) + "\n", encoding="utf-8")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """`value` as JSON with sorted keys and every alphabet readable."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=indent)


def whole_letters(text: str) -> str:
    """`text` with half of a character, which JSON may hold and UTF-8 may not, as its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def without_nan(value: Any) -> Any:
    """`value` with None for each number that JSON does not know: nan and the infinite ones."""
    if isinstance(value, Mapping):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
