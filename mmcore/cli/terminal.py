"""What a terminal shows: every letter somehow, and a warning in one line."""

import io
import sys
import warnings
from typing import Any

from mmcore.errors import EditedCode


def never_lose_for_a_letter() -> None:
    """A terminal that has no such letter gets its number, and a typed one that is none is told by who reads it."""
    for stream, errors in (
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
        (sys.stdin, "surrogateescape"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def warn_in_one_line() -> None:
    """What is meant for the user, and not Python's way to show it, with the line of code below."""
    shown = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> str:
        return f"mm: {message}\n" if issubclass(category, EditedCode) else shown(message, category, *where, **more)

    warnings.formatwarning = one_line
