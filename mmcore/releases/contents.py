"""What dvc.lock says a folder holds, and whether it does: DVC's digest of a folder, computed without DVC."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from mmcore.errors import ArtifactError, WrongModel


def outputs_of(lock: str) -> dict[str, str]:
    """Path -> digest of every output in the text of a dvc.lock."""
    try:
        stages: Any = (yaml.safe_load(lock) or {}).get("stages") or {}
        return {out["path"]: out.get("md5") or out["etag"] for one in stages.values() for out in one.get("outs", [])}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ArtifactError(f"dvc.lock cannot be read ({error}). Run `dvc repro`, which writes it.") from error


def inputs_of(lock: str) -> list[str]:
    """The paths that the stages of a dvc.lock depend on, sorted."""
    stages: Any = (yaml.safe_load(lock) or {}).get("stages") or {}
    return sorted({dep["path"] for one in stages.values() for dep in one.get("deps", [])})


def digest_of(path: Path) -> str:
    """As DVC writes it: of a file its md5, of a folder that of the list of its files, with `.dir` behind."""
    if path.is_file():
        return _md5(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listed = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def check_contents(path: Path, digest: str, *, what: str) -> None:
    """Raise WrongModel where a file or folder is not the one that dvc.lock means."""
    found = digest_of(path)
    if found != digest:
        raise WrongModel(
            f"{what} should have the digest {digest} but has {found}: its bytes are damaged. Run `dvc pull`."
        )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
