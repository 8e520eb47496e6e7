"""What DVC says when it fails. As a command it is called without `--quiet`, which silences its errors too."""

import re
import subprocess
from collections.abc import Sequence
from itertools import takewhile

CAUSES = 2
"""Errors that are quoted beside the last one: of a folder whose files are gone there is one for each file."""
LONGEST = 300
"""Characters that are quoted of one error."""
DAMAGED = {
    r"(?s)RWLock-file.*corrupted": "`rm .dvc/tmp/rwlock` mends that, while no other stage runs.",
    r"(?s)dvc\.lock'.*(?:corrupted|validation failed)": (
        "Resolve what a merge has left in it, or take the last one that was committed: `git checkout HEAD -- dvc.lock`."
    ),
}
"""What DVC says of files of its own that it cannot read, and what to do about it, which it does not say."""


def reason_of(failed: "subprocess.CompletedProcess[str]") -> str:
    """In one line of bounded length: what it told as errors, or else last, and its exit code where it told nothing."""
    return _errors_in(failed.stderr) or f"it ended with {failed.returncode}"


def told_by(error: BaseException) -> str:
    """What an error says, with the reasons it was raised from: DVC often puts what matters there."""
    told = []
    cause: BaseException | None = error
    while cause is not None:
        told.append(str(cause).strip() or type(cause).__name__)
        cause = cause.__cause__
    message = ": ".join(dict.fromkeys(told))
    advice = next((advice for pattern, advice in DAMAGED.items() if re.search(pattern, message)), None)
    return message if advice is None else f"{message.rstrip('.')}. {advice}"


def _errors_in(text: str) -> str:
    """What DVC says beside its progress; all that it said last where no line is marked as an error.

    Of many errors the first and the last, which sums them up; the lines below this, such as a list of targets, belong
    to it.
    """
    lines = [line.strip() for line in text.splitlines()]
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR")]
    if not errors:
        return _in_short(list(filter(None, lines[-5:])))
    *others, last = errors
    left_out = len(others) - CAUSES
    more = [f"(and {left_out} more)"] if left_out > 0 else []
    summary = _in_short(list(takewhile(bool, lines[last:])))
    return " ".join([*(_in_short([lines[number]]) for number in others[:CAUSES]), *more, summary])


def _in_short(lines: Sequence[str]) -> str:
    told = " ".join(lines)
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"
