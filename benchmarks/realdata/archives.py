"""Unpack an archive of real data into a cache folder, once."""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path


def unpacked(name: str, *, data: Path, cache: Path) -> Path:
    """The folder NAME of `cache` with `dev/` inside, from NAME.tar.xz of `data`.

    Raises FileNotFoundError that names the archive where there is none.
    """
    folder = cache / name
    if folder.is_dir():
        return folder
    archive = data / f"{name}.tar.xz"
    if not archive.is_file():
        raise FileNotFoundError(f"There is no {archive}. Give the folder with the archives: --data FOLDER.")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as beside:
        with tarfile.open(archive) as tar:
            tar.extractall(beside, filter="data")
        os.replace(Path(beside) / name, folder)
    return folder


def linked(source: Path, target: Path) -> None:
    """`source` under a second name, as a hard link where the disk allows it: cells may not leave the table's folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
