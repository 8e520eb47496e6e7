"""What dvc.lock says a folder holds, and whether it does: DVC's digest of a folder, computed without DVC."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from mmcore.errors import ArtifactError


def outputs_of(lock: str) -> dict[str, str]:
    """Path -> digest of every output in the text of a dvc.lock. Raises ArtifactError where it is none."""
    return {out["path"]: out.get("md5") or out["etag"] for out in _named(lock, "outs")}


def inputs_of(lock: str) -> list[str]:
    """The paths that the stages of a dvc.lock depend on, sorted. Raises ArtifactError where it is none."""
    return sorted({dep["path"] for dep in _named(lock, "deps")})


def _named(lock: str, what: str) -> list[dict[str, Any]]:
    try:
        stages: Any = (yaml.safe_load(lock) or {}).get("stages") or {}
        return [{"path": entry["path"], **entry} for one in stages.values() for entry in one.get(what, [])]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"dvc.lock cannot be read ({' '.join(str(error).split())}). Resolve what a merge has left in it, or take "
            "the last one that was committed, `git checkout HEAD -- dvc.lock`; `dvc repro` brings that up to date."
        ) from error


def digest_of(path: Path) -> str:
    """As DVC writes it: of a file its md5, of a folder that of the list of its files, with `.dir` behind."""
    if path.is_file():
        return _md5(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listed = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def damaged_in(cache: Path, folder: Path, digest: str) -> list[Path]:
    """The files of DVC's cache that the folder `digest` was copied from and that are not what they are named for."""
    listing = _in_cache(cache, digest)
    if not listing.is_file() or _md5(listing) != digest.removesuffix(".dir"):
        return [listing]
    entries = json.loads(listing.read_text(encoding="utf-8"))
    damaged = (entry["md5"] for entry in entries if digest_of(folder / entry["relpath"]) != entry["md5"])
    return sorted({_in_cache(cache, name) for name in damaged})


def _in_cache(cache: Path, digest: str) -> Path:
    return cache / "files" / "md5" / digest[:2] / digest[2:]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
