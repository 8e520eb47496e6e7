"""Why a stage failed, in words, and who can mend it."""

from collections.abc import Sequence

from flows.command import Ended
from mmcore.errors import MmcoreError

USER_CAN_MEND = 2  # the exit code with which `mm stage` says so


class StageFailed(MmcoreError):
    """mendable: by the user; else it is a fault."""

    def __init__(self, message: str, *, mendable: bool = True) -> None:
        super().__init__(message)
        self.mendable = mendable


def failure_of(command: str, ended: Ended, last: Sequence[str], *, timeout_s: float | None) -> StageFailed:
    """last: the last lines that the command printed. timeout_s: what it may take."""
    if ended.timed_out:
        late = f"`{command}` took longer than its {timeout_s:g} s (timeout_s in dvc.yaml) and was ended."
        return StageFailed(late, mendable=False)
    if ended.code == USER_CAN_MEND:
        return StageFailed("\n".join(last) or f"`{command}` ended with exit code {ended.code}.")
    how = f"was ended by signal {-ended.code}" if ended.code < 0 else f"ended with exit code {ended.code}"
    return StageFailed("\n".join([f"`{command}` {how}. Its last lines:", *last]), mendable=False)
