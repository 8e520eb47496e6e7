"""Files that cells point to: inside the data folder or refused, known by their content."""

import hashlib
from pathlib import Path, PureWindowsPath

from mmcore.errors import DataError


def locate(cell: str, base: Path) -> Path:
    """The file that a cell names.

    base: where relative paths start, already resolved. Raises DataError where the path is absolute, leaves `base`
    (by `..` or by a link), or names nothing that can be read as a file; the message holds no absolute path.
    """
    if cell.startswith("/") or PureWindowsPath(cell).drive or PureWindowsPath(cell).root:
        raise DataError("the path is absolute; write it relative to the data folder")
    try:
        path = (base / cell).resolve()
        if not path.is_relative_to(base):
            raise DataError("the path leaves the data folder; copy the file into it")
        if not path.exists():
            raise DataError("no such file in the data folder")
        if not path.is_file():
            raise DataError("this is no file")
        if path.stat().st_size == 0:
            raise DataError("the file is empty (0 bytes)")
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a name too long, a null byte
        raise DataError(f"the path cannot be followed: {_reason(error)}") from error
    return path


def sha256_of(path: Path) -> str:
    """The content of a file in 64 hexadecimal digits. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"the file cannot be read: {_reason(error)}") from error


def digest_of(path: Path) -> str:
    """The content of a file, or of a folder."""
    return digest_of_folder(path) if path.is_dir() else sha256_of(path)


def digest_of_folder(folder: Path) -> str:
    """The content of a folder: the names and bytes of all files in it.

    Shards are left out where their store.json stands beside them: it holds their digests.
    """
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        covered = path.suffix == ".arrow" and (path.parent / "store.json").exists()
        if path.is_file() and not covered:
            found.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return found.hexdigest()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
