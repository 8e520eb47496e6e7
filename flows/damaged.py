"""Objects of DVC's cache that are not what their names say: found and dropped, before they are restored or kept.

DVC takes every object that is read-only for whole: one that a full disk or a power cut left empty is restored for ever,
and even put over the file that was just made anew. Sizes are what is looked at, since reading all would take as long as
copying it; where they cast doubt, the hash decides. An object whose bytes are others at its full length passes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mmcore.releases.contents import digest_of

NOTHING = hashlib.md5(b"", usedforsecurity=False).hexdigest()  # the one object that may be empty


def drop_damaged(outs: Iterable[Any], show: Callable[[str], None]) -> list[Path]:
    """Delete what DVC's cache has of these outputs and is damaged. Returns where that lay.

    outs: as DVC has them, with the hash and the size that their stage noted. Raises OSError where it cannot be deleted.
    """
    dropped = []
    for out in outs:
        for path in _damaged(out):
            path.unlink(missing_ok=True)  # other clones may share the cache
            show(f"{out} is damaged in DVC's cache ({path}), and dropped there.")
            dropped.append(path)
    return dropped


def restored_damaged(out: Any) -> list[Path]:
    """What DVC's cache has of data and is damaged, where the data lies there as damaged: DVC takes it for unchanged."""
    here, noted = Path(out.fs_path), out.meta.size
    if noted is None or noted == sum(path.stat().st_size for path in (here, *here.rglob("*")) if path.is_file()):
        return []
    found = {f"{path.parent.name}{path.name}": path for path in _damaged(out)}
    if not found:
        return []
    members = [(here.joinpath(*key), file.value) for key, _, file in out.get_obj() or ()] if here.is_dir() else []
    lies = members or [(here, out.hash_info.value)]
    cut = {name for path, name in lies if name in found and path.is_file() and digest_of(path) != name}
    return [path for name, path in found.items() if name in cut]


def _damaged(out: Any) -> Iterator[Path]:
    # The hash of DVC 2 leaves out line ends: it is not that of the bytes.
    if not (out.hash_info and out.is_in_repo and out.hash_name == "md5"):
        return
    cache, name = out.cache, out.hash_info.value
    if out.hash_info.isdir:
        if _is_trusted(name, cache) and not _is_whole(name, cache):
            yield _path(name, cache)
        members = [(file.value, meta.size) for _, meta, file in out.get_obj() or ()]
        # DVC keeps no sizes in a listing: of one that was read from the cache, there is their sum alone to go by.
        there = [_size(name, cache) for name, _ in members]
        doubt = None not in there and sum(filter(None, there)) != out.meta.size
    else:
        members, doubt = [(name, out.meta.size)], False
    for name, noted in dict(members).items():
        size = _size(name, cache)
        is_odd = doubt if noted is None else size != noted
        if (is_odd or (size == 0 and name != NOTHING)) and _is_trusted(name, cache) and not _is_whole(name, cache):
            yield _path(name, cache)


def _path(name: str, cache: Any) -> Path:
    return Path(cache.oid_to_path(name))


def _size(name: str, cache: Any) -> int | None:
    path = _path(name, cache)
    return path.stat().st_size if path.exists() else None


def _is_trusted(name: str, cache: Any) -> bool:
    """Whether DVC takes it as it is; others it reads through, and drops by itself."""
    return bool(cache.is_protected(cache.oid_to_path(name)))


def _is_whole(name: str, cache: Any) -> bool:
    return digest_of(_path(name, cache)) == name.removesuffix(".dir")
