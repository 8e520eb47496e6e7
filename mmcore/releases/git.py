"""git as a program, for reading and for writing objects and refs; nothing here touches a working tree or its index."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mmcore.errors import SetupError

NOBODY = {"NAME": "mmcore", "EMAIL": "mmcore@localhost"}
"""Who commits where git was not told who its user is: a release must not fail for that at night."""

PLAIN = ("-c", "core.quotePath=false", "-c", "log.showSignature=false")
"""Against what its user may have set: names of files as they are, also Chinese ones, and nothing before a format."""

FAR = {"fetch": ("--progress",), "push": ("--progress",), "ls-remote": ()}
"""What asks another machine, and what has it tell how far it is."""

SILENCE_S = 120.0
"""After so long without a word a remote is given up. How long it takes in all is a matter of how much there is."""

LOOK_S = 1.0
"""How often it is looked whether there was a word."""

_DONE = rb"\w+ (?:objects|deltas): [^\n]*, done\.|Delta compression using|Total \d+ \(delta "
_PROGRESS = re.compile(
    rb"^(?:[^\n]*\r)?(?:remote: )?(?:" + _DONE + rb")[^\n]*\n"
    rb"|[^\n]*\r(?!\n)",  # what was written over by something else
    re.MULTILINE,
)

Done = subprocess.CompletedProcess[bytes]


class NoAnswer(SetupError):
    """A remote of git says nothing: it is no use to ask once more."""


class Git:
    """The repository that `root` lies in."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, given: bytes | None = None, environment: Mapping[str, str] | None = None) -> str:
        """What git prints, without the newline at its end. given: its stdin. Raises SetupError with what git says."""
        return self.raw(*arguments, given=given, environment=environment).decode(errors="replace").rstrip("\n")

    def lines(self, *arguments: str) -> list[str]:
        """As `run`, a line for each; names and subjects may hold U+2028 and others that `str.splitlines` cuts at."""
        return [line for line in self.run(*arguments).split("\n") if line]

    def raw(self, *arguments: str, given: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        """As `run`, byte for byte."""
        done = self._start(arguments, given, environment)
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip() or f"it ended with {done.returncode}"
            raise SetupError(f"`git {' '.join(arguments)}` failed in {self.root}: {told}")
        return done.stdout

    def ask(self, *arguments: str) -> str | None:
        """As `run`, None where git says no."""
        done = self._start(arguments, None, None)
        return None if done.returncode else done.stdout.decode(errors="replace").rstrip("\n")

    def file(self, commit: str, path: str) -> str | None:
        """A text file of a commit; None where it has none."""
        return self.ask("cat-file", "blob", f"{commit}:{path}")

    def commit_of(self, name: str) -> str | None:
        """The commit that a branch, tag or short name means."""
        return self.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    @property
    def shared(self) -> Path:
        """The folder that all worktrees of the repository have in common."""
        return (self.root / self.run("rev-parse", "--git-common-dir")).resolve()

    def identity(self, *, when: int | None = None) -> dict[str, str]:
        """Environment for commits and tags: whoever git knows, else NOBODY. when: seconds since 1970."""
        found = dict[str, str]()
        for role in ("AUTHOR", "COMMITTER"):
            if self.ask("var", f"GIT_{role}_IDENT") is None or self._guessed():
                found |= {
                    f"GIT_{role}_{key}": os.environ.get(f"GIT_{role}_{key}", value) for key, value in NOBODY.items()
                }
            if when is not None:
                found[f"GIT_{role}_DATE"] = f"{when} +0000"
        return found

    def _guessed(self) -> bool:
        """Whether git would make up a name from the machine's: it warns then, or refuses."""
        return not self.ask("config", "user.email") and "EMAIL" not in os.environ

    def _start(self, arguments: Sequence[str], given: bytes | None, environment: Mapping[str, str] | None) -> Done:
        environment = {**os.environ, "LC_ALL": "C", **(environment or {})}
        try:
            if arguments[0] in FAR:
                return self._ask_far(arguments, environment)
            return subprocess.run(
                ["git", *PLAIN, *arguments],
                cwd=self.root,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                env=environment,
                check=False,
            )
        except FileNotFoundError as error:
            if error.filename != "git":  # the folder
                raise
            raise SetupError(
                f"`git {arguments[0]}` cannot be run: there is no program git on PATH. Install it, or add its folder."
            ) from error

    def _ask_far(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Done:
        """Raises NoAnswer after a long silence; git tells its progress each second, as long as there is some."""
        with tempfile.NamedTemporaryFile() as file:
            events = Path(file.name)
            return self._ask_noting(arguments, {**environment, "GIT_TRACE2_EVENT": str(events)}, events)

    def _ask_noting(self, arguments: Sequence[str], environment: Mapping[str, str], events: Path) -> Done:
        command, *others = arguments
        somebody = sys.stdin.isatty()  # who can be asked for a password; at night there is nobody
        process = subprocess.Popen(
            ["git", *PLAIN, command, *FAR[command], *others],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment if somebody else {**environment, "GIT_TERMINAL_PROMPT": "0"},
            # What holds the connection is a program that git starts, and would leave behind.
            start_new_session=not somebody,
        )
        with process:
            try:
                output, errors = _until_silent(process, lambda: _is_in_a_hook(events))
            except BaseException as error:
                with suppress(ProcessLookupError, PermissionError):
                    process.kill() if somebody else os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise _given_up(self.root, arguments) from error
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, _PROGRESS.sub(b"", errors))


def _until_silent(process: subprocess.Popen[bytes], is_at_work: Callable[[], bool]) -> tuple[bytes, bytes]:
    """What it printed. Raises TimeoutExpired where it has nothing to tell for long, and nothing here is at work."""
    told, heard = b"", time.monotonic()
    while True:
        has_ended = process.poll() is not None
        try:
            return process.communicate(timeout=min(LOOK_S, SILENCE_S))
        except subprocess.TimeoutExpired as error:
            if has_ended:  # what a hook has left behind holds its pipes
                return error.output or b"", error.stderr or b""
            before, told = told, error.stderr or b""
            if told != before:
                heard = time.monotonic()
            elif time.monotonic() - heard >= SILENCE_S:
                if not is_at_work():
                    raise
                heard = time.monotonic()


def _is_in_a_hook(events: Path) -> bool:
    """Whether git waits for a hook of this clone (that of `dvc install` pushes data), by what it notes of itself."""
    running = set[tuple[str, int]]()
    for line in events.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, KeyError):  # half a line
            event = json.loads(line)
            if event["event"] == "child_start" and event["child_class"] == "hook":
                running.add((event["sid"], event["child_id"]))
            elif event["event"] == "child_exit":
                running.discard((event["sid"], event["child_id"]))
    return bool(running)


def _given_up(root: Path, arguments: Sequence[str]) -> NoAnswer:
    remote = next((one for one in arguments[1:] if not one.startswith("-")), "")
    return NoAnswer(
        f"`git {arguments[0]}` in {root} was given up: {remote} said nothing for {SILENCE_S:g} s. See whether "
        f"`git ls-remote {remote}` answers, what `git remote -v` has for its address, and whether a hook of its own "
        "takes so long."
    )
