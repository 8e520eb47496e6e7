"""Unpacking that is done once, and again where what is unpacked has changed."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mmcore.errors import DataError, SetupError

STAMP = "unpacked.json"
"""Lies in the folder when it is whole, and says what it was made of."""


def unpack_once(folder: Path, sources: Mapping[Path, str], unpack: Callable[[], Iterable[tuple[str, bytes]]]) -> None:
    """Write the files that `unpack` gives (path inside `folder`, content), unless that was done with these sources.

    sources: each with the name that its files are unpacked under; under another name it is unpacked anew.

    A file appears whole or not at all, so that two processes may unpack side by side. Raises SetupError where the disk
    is full, DataError where a path would leave the folder.
    """
    made_of = {path.as_posix(): [path.stat().st_size, path.stat().st_mtime_ns, name] for path, name in sources.items()}
    stamp = folder / STAMP
    try:
        if json.loads(stamp.read_text(encoding="utf-8")) == made_of:
            return
    except (OSError, ValueError):
        pass  # never unpacked, or not to the end
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in unpack():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise DataError(f"the member {name!r} would be unpacked outside {folder}.", path=name)
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, content)
        _write(stamp, json.dumps(made_of, indent=1).encode())
    except OSError as error:
        raise SetupError(
            f"cannot unpack into {folder}: {error.strerror or error}. Free some space, or set "
            "data.source.unpack_to to another folder."
        ) from error


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
