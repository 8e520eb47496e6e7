"""The branch of releases: what a release needs to be made again, and every look at a test split.

Commits are made of objects (hash-object, write-tree with an index of its own, commit-tree) and put on the branch with
update-ref, which refuses if somebody else moved it meanwhile. No working tree and no index of a person is touched.
"""

import os
import tempfile
import time
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath

from flows.locks import state_of
from mmcore.errors import SetupError
from mmcore.releases.git import Git
from mmcore.releases.looks import Look, line_of, read_looks
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import read_registry

LOOKS = "releases/looks.jsonl"
CARD = "releases/card.md"
RECORD = "releases/verdict.json"
NOTHING = "0" * 40
ORIGIN = "origin"  # the remote that `git clone` names


class Branch:
    """A branch that nobody works on."""

    def __init__(self, git: Git, settings: ReleaseSettings) -> None:
        self.git, self.name = git, settings.branch
        self._artifact, self._remote = settings.name, settings.git_remote or ORIGIN

    @property
    def tip(self) -> str | None:
        """Its newest commit, which a clone has from its remote before it has the branch; None before the first release.

        Where both have gone on, as on two machines, they are merged first.
        Raises SetupError where there are releases and the branch is missing: its ledger would read as empty.
        """
        here, far = self._here, self.git.commit_of(f"refs/remotes/{self._remote}/{self.name}")
        if here is None and far is None and read_registry(self.git, self._artifact).versions:
            raise SetupError(
                f"There are releases of {self._artifact}, and their branch {self.name!r} is not here. Fetch it: "
                f"`git fetch {self._remote} {self.name}:{self.name}`. Where release.branch of params.yaml is a new "
                f"name, go on from the old one: `git branch {self.name} OLD`."
            )
        if here is None or far is None:
            return here or far
        if self._holds(far, here):
            return far
        return here if self._holds(here, far) else self._merge(here, far)

    def _holds(self, newer: str, older: str) -> bool:
        return self.git.ask("merge-base", "--is-ancestor", older, newer) is not None

    def _merge(self, here: str, far: str) -> str:
        """Every look of both; the rest is as the one has it that knows the newest release, else the newer one."""
        ours, theirs = (read_looks(self.git.file(one, LOOKS) or "") for one in (here, far))
        looks = [*ours, *(look for look in theirs if look not in ours)]
        text = "".join(map(line_of, sorted(looks, key=lambda look: datetime.fromisoformat(look.when))))
        newer = max((here, far), key=lambda one: (self._released(one), self._time(one)))
        title = f"Looks and releases of two machines, merged from {self._remote}"
        return self.commit({LOOKS: text.encode()}, title, tree=newer, parents=[here, far])

    def _released(self, tip: str) -> int:
        """When the newest release of its history was made: a later look carries the files of the release before it."""
        versions = reversed(read_registry(self.git, self._artifact).versions)
        return next((version.time for version in versions if self._holds(tip, version.commit)), 0)

    def _time(self, commit: str) -> int:
        return int(self.git.run("show", "-s", "--format=%ct", commit))

    @property
    def _here(self) -> str | None:
        return self.git.commit_of(f"refs/heads/{self.name}")

    def looks(self) -> list[Look]:
        """Every look at a test split, in order."""
        return read_looks(self.looks_text())

    def looks_text(self) -> str:
        """The same as lines of JSON."""
        text = self.git.file(self.tip, LOOKS) if self.tip else None
        return f"{text}\n" if text else ""

    def looked(self, look: Look) -> None:
        """Write one more look down."""
        tip = self.tip
        assert tip is not None, "a champion is compared with, so that there was a release"
        text = "".join(map(line_of, [*self.looks(), look]))
        message = f"{look.verdict}: {look.metric} {look.gain:+.4f} on {look.n} rows"
        self.commit({LOOKS: text.encode()}, message, tree=tip, parents=[tip])

    def commit(
        self,
        files: Mapping[str, bytes],
        message: str,
        *,
        tree: str,
        parents: Sequence[str],
        tracked: Sequence[str] = (),
    ) -> str:
        """Put a commit on the branch: the files of commit `tree`, with some replaced. Returns it.

        tracked: paths below which files that git knows, staged ones among them, are taken as the working tree has them.
        Raises SetupError where the branch is checked out somewhere, or was moved by another meanwhile.
        """
        self._check_free()
        before = self._here
        with tempfile.TemporaryDirectory(dir=state_of(self.git)) as folder:
            own = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self.git.run("read-tree", tree, environment=own)
            if tracked:
                self._take(tracked, own)
            for path, content in files.items():
                blob = self.git.run("hash-object", "-w", "--stdin", given=content)
                self.git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environment=own)
            made = self.git.run("write-tree", environment=own)
        # Never before its parent: git, and whoever reads the log, would take it for the older one.
        last = max(map(self._time, parents))
        named = [part for parent in dict.fromkeys(parents) for part in ("-p", parent)]
        commit = self.git.run(
            "commit-tree", made, *named, "-m", message,
            environment=self.git.identity(when=max(int(time.time()), last)),
        )  # fmt: skip
        self.git.run("update-ref", "-m", message.splitlines()[0], f"refs/heads/{self.name}", commit, before or NOTHING)
        return commit

    def _take(self, paths: Sequence[str], own: Mapping[str, str]) -> None:
        """Into our index, as the working tree has it: what the commit knows below the paths and what is staged."""
        known = [path for path in paths if self.git.run("ls-files", "--", path, environment=own)]
        if known:  # without a path git would take all that it knows
            self.git.run("add", "--update", "--", *known, environment=own)
        ours, theirs = (self.git.raw("ls-files", "-z", "--", *paths, environment=index) for index in (own, None))
        staged = sorted(set(theirs.split(b"\0")) - set(ours.split(b"\0")))
        there = [path for path in staged if os.path.lexists(os.path.join(os.fsencode(self.git.root), path))]
        # Not `git add`, which refuses what lies in an ignored folder, staged or not.
        self.git.run(
            "update-index", "--add", "-z", "--stdin", given=b"".join(path + b"\0" for path in there), environment=own
        )

    def _check_free(self) -> None:
        listed = self.git.run("worktree", "list", "--porcelain").split("\n\n")
        for entry in listed:
            if f"branch refs/heads/{self.name}" in entry.split("\n"):
                place = entry.split("\n")[0].removeprefix("worktree ")
                raise SetupError(
                    f"The branch {self.name!r} is checked out in {place}, where moving it would look like edits. "
                    "Check out another there."
                )


def outside(git: Git, paths: Sequence[str]) -> list[str]:
    """Those that lie in no commit wherever they end: git refuses to be asked about `/data` or `../data`."""
    root = os.path.abspath(git.root)
    return [path for path in paths if os.path.commonpath([root, os.path.abspath(os.path.join(root, path))]) != root]


def uncommitted(git: Git, paths: Sequence[str], *, kept: Container[str]) -> list[str]:
    """Files below the paths that no commit and no .dvc file covers: a release could not be made again without them.

    kept: outputs of stages, which their own inputs make again. What .gitignore names counts, what .dvcignore names is
    no dependency.
    """
    there = [path for path in paths if os.path.lexists(git.root / path)]
    if not there:
        return []
    has_pointer = cache(lambda path: (git.root / f"{path}.dvc").is_file())
    unknown = git.lines("ls-files", "--others", "--exclude-per-directory=.dvcignore", "--", *there)
    return [path for path in unknown if not any(one in kept or has_pointer(one) for one in _with_above(path))]


def _with_above(path: str) -> list[str]:
    return [path, *(above.as_posix() for above in PurePosixPath(path).parents)]
