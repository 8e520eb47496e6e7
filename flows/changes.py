"""Has anything changed since the last run? A look that costs no worktree, no DVC and no hashing of data."""

import hashlib
import http.client
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import yaml

from flows.timetable import Timetable
from flows.worktree import git
from mmcore.releases.git import Git

ANSWER_S = 20.0
REPOSITORY_S = 60.0


def signature(clone: Path, commit: str, timetable: Timetable) -> str:
    """The same as long as a run would find the same code, parameters and data; hex.

    Of files outside git it knows names, sizes and times, of imports what their source says of itself: an etag, a
    commit, sizes and etags. A store whose package is not installed is left to the run by the clock.
    """
    outside = [clone / path for path in timetable.share]
    outside += [Path(path) for path in _watched(clone, commit) if Path(path).is_absolute()]
    told: list[Any] = [commit, timetable.ref, [list(_files(path)) for path in outside]]
    told += [_source(dependency) for dependency in _imports(clone, commit)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _watched(clone: Path, commit: str) -> list[str]:
    """What ingest depends on besides code: `data.watch` of the committed params.yaml."""
    params = yaml.safe_load(git(clone, "show", f"{commit}:params.yaml"))
    data = params.get("data") if isinstance(params, Mapping) else None
    watch = data.get("watch") if isinstance(data, Mapping) else None
    return [watch] if isinstance(watch, str) else [str(path) for path in watch or ()]


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of each file."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        try:
            status = file.stat()
        except OSError:
            yield str(file), -1, -1
        else:
            if not file.is_dir():
                yield str(file), status.st_size, status.st_mtime_ns


def _imports(clone: Path, commit: str) -> Iterator[Mapping[str, Any]]:
    """What each `.dvc` file of an import names as its source."""
    for name in Git(clone).lines("ls-tree", "-r", "--name-only", commit):
        if name.endswith(".dvc"):
            described = yaml.safe_load(git(clone, "show", f"{commit}:{name}"))
            yield from (dependency for dependency in described.get("deps", ()) if isinstance(dependency, Mapping))


def _source(dependency: Mapping[str, Any]) -> Any:
    place, repository = str(dependency.get("path", "")), dependency.get("repo")
    if isinstance(repository, Mapping):
        revision = str(repository.get("rev") or "HEAD")
        asked = ["git", "ls-remote", str(repository.get("url")), revision]
        try:
            return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=REPOSITORY_S).stdout
        except subprocess.TimeoutExpired:
            return ""  # as of one that cannot be reached
    if place.startswith(("http://", "https://")):
        return _headers(place)
    return _far(place) if "://" in place else list(_files(Path(place)))


def _far(address: str) -> list[Any]:
    """Name, size and what the store says of the content of each file there."""
    try:
        system, path = fsspec.url_to_fs(address, use_listings_cache=False)
        found = system.find(path, detail=True) or {path: system.info(path)}
    except Exception as error:  # each kind of store has errors of its own, that of a missing package among them
        return [address, type(error).__name__]
    about = ("size", "ETag", "etag", "LastModified", "mtime", "version_id")
    return [[name, *(str(found[name].get(key)) for key in about)] for name in sorted(found)]


def _headers(url: str) -> list[str | None]:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return [answer.headers.get(name) for name in ("ETag", "Last-Modified", "Content-Length")]
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return ["unreachable"]
