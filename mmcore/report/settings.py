"""What `report` in params.yaml may say."""

from dataclasses import dataclass
from typing import Annotated

from mmcore.interfaces.settings import Range


@dataclass(frozen=True)
class ReportSettings:
    """What the report's page shows."""

    title: str = "Report"
    examples: Annotated[int, Range(0)] = 12
    """Right and wrong answers shown, this many of each."""
