"""What `verdict` and `release` in params.yaml may say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from mmcore.errors import ConfigError
from mmcore.interfaces.settings import Range

_NAME = re.compile(r"[a-zA-Z0-9](?:(?:[a-zA-Z0-9_-]|/(?!/))*[a-zA-Z0-9])?")
"""What GTO reads in a tag (`gto/constants.py`), less what git refuses."""
_NO_BRANCH = re.compile(
    r"HEAD|-.*|.*[\x00-\x20\x7f~^:?*\[\\].*|.*(?:\.\.|@\{|//).*|/.*|(?:.*/)?\..*|.*[/.]|.*\.lock(?:/.*)?", re.DOTALL
)
"""`git help check-ref-format`."""


@dataclass(frozen=True)
class VerdictSettings:
    """When a new model is better than the one in use."""

    false_promotions: Annotated[float, Range(0.0001, 0.5)] = 0.05
    """The chance, over a year, that any model is promoted whose training is not better than that of the one in use."""
    looks: Annotated[int, Range(1)] = 365
    """Comparisons a year that this chance is spread over; fewer let each of them decide sooner."""
    tolerances: Mapping[str, Annotated[float, Range(0)]] = field(default_factory=dict)
    """Other scores that must not fall, as `task/metric: 0.01`: how much worse each may be."""
    slice_tolerance: Annotated[float, Range(0)] | None = 0.05
    """How much worse the watched score may be in any slice (`data.slices`); null: slices do not count."""


@dataclass(frozen=True)
class ReleaseSettings:
    """Where a better model goes."""

    enabled: bool = False
    """Release what is promoted; `python -m flows.retrain --release` does so once."""
    name: str = "model"
    """Of the artifact in dvc.yaml; part of the tags in git."""
    stage: str = "prod"
    """The name of the pointer to the model in use."""
    branch: str = "releases"
    """The branch of git that releases and looks at the test split are written to."""
    git_remote: str | None = None
    """Where the branch and the tags are pushed to, as git names it: origin; null: nowhere."""

    def __post_init__(self) -> None:
        """Here, since a release that git refuses a tag for in the middle has been half made by then."""
        for key, value in (("name", self.name), ("stage", self.stage)):
            if not _NAME.fullmatch(value):
                raise ConfigError(
                    f"release.{key} is {value!r}, which no tag of git and GTO can hold. It takes letters (a-z, A-Z), "
                    "digits, '-', '_' and '/', the first and the last a letter or digit."
                )
        if not self.branch or _NO_BRANCH.fullmatch(self.branch):
            raise ConfigError(
                f"release.branch is {self.branch!r}, which git takes for no branch's name. Name it without spaces and "
                "signs of git, for example 'releases'."
            )
