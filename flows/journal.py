"""The journal of a release: what has been begun and not ended, for whichever run comes next."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from flows.locks import state_of
from mmcore.releases.git import Git

START = "underway-"


@dataclass(frozen=True)
class Underway:
    """One move of a pointer, with all that it takes to end it: params.yaml may say something else by then."""

    name: str
    stage: str
    commit: str
    number: str
    reason: str
    previous: str | None
    """The version that the pointer named before, which the release was compared with."""


class Journal:
    """One file for each artifact that is being released."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def write(self, underway: Underway) -> None:
        """Whole or not at all; in the place of what stood there of this artifact."""
        state_of(self._git)
        path = self._path(underway.name)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(underway)), encoding="utf-8")
        part.replace(path)

    def clear(self, name: str) -> None:
        """Of this artifact nothing is under way any more."""
        self._path(name).unlink(missing_ok=True)

    def read(self, *, stage: str) -> list[Underway]:
        """All that is under way. stage: for what an older version of this file wrote, which kept none."""
        found = list[Underway]()
        for path in self._paths():
            older = {"name": path.stem.removeprefix(START), "stage": stage}
            try:
                found.append(Underway(**{**older, **json.loads(path.read_text(encoding="utf-8"))}))
            except (ValueError, TypeError):  # killed while it was written: nothing had been tagged yet
                path.unlink()
        return found

    def __bool__(self) -> bool:
        return bool(self._paths())

    def _paths(self) -> list[Path]:
        return sorted((self._git.shared / "mmcore").glob(f"{START}*.json"))

    def _path(self, name: str) -> Path:
        return self._git.shared / "mmcore" / f"{START}{quote(name, safe='')}.json"
