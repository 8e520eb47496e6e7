"""What a command of DVC says when it fails. It is called without `--quiet`, which silences its errors too."""

import subprocess


def reason_of(failed: "subprocess.CompletedProcess[str]") -> str:
    """In one line: what it told as errors, or else last, and its exit code where it told nothing."""
    return _errors_in(failed.stderr) or f"it ended with {failed.returncode}"


def _errors_in(text: str) -> str:
    """What DVC says beside its progress; all that it said last where no line is marked as an error."""
    lines = [line.strip() for line in text.splitlines()]
    return " ".join([line for line in lines if line.startswith("ERROR")] or filter(None, lines[-5:]))
