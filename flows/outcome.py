"""What became of a stage."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    UNCHANGED = "unchanged"
    RESTORED = "restored"
    RAN = "ran"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = "stopped"

    @property
    def good(self) -> bool:
        """Whether the outputs stand as the data, code and parameters ask for."""
        return self in (Status.UNCHANGED, Status.RESTORED, Status.RAN)


@dataclass(frozen=True)
class Outcome:
    stage: str
    status: Status
    seconds: float = 0.0
    reason: str = ""  # why it failed, was skipped or was stopped
    mendable: bool = True  # by the user: what failed says so with exit code 2
    began: str = ""  # the time of day, in UTC
    tries: int = 1
