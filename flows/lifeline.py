"""A pipe that tells children when their parent is gone, even by kill -9.

The parent keeps the writing end and never writes. A child inherits the reading end, whose number stands in
MM_LIFELINE_FD; a read of it returns nothing at the moment the parent ends, however it ends. The child then ends itself:
SIGTERM, and SIGKILL after ten seconds. (The kernel's parent-death signal will not do: it fires when the thread that
forked ends, and stages are started from threads.)
"""

import os

VARIABLE = "MM_LIFELINE_FD"


class Lifeline:
    """The parent's half. Give `descriptor` to each child with `pass_fds`, and `environment` beside it."""

    def __init__(self) -> None:
        # Neither end is inherited by default: a child that held the writing end would keep all others alive.
        self.descriptor, self._kept = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.descriptor)}

    def close(self) -> None:
        """Tell the children that are left to end."""
        os.close(self._kept)
        os.close(self.descriptor)
