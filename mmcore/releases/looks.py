"""Every look at a test split, and how much chance of a false promotion each of them may spend.

Comparing a new model with the one in use, night after night and on the same rows, promotes a worse one some night by
chance alone. So the year has a budget: each look may spend 1/`looks` of what the looks of the last 365 days have left
of it, and only a gain whose chance is smaller than that promotes. The sum can never pass the budget, however often
is looked and however the looks depend on each other (Bonferroni's inequality).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from mmcore.errors import ArtifactError
from mmcore.releases.settings import VerdictSettings

YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Look:
    """One comparison of two models on the test split."""

    when: str
    """ISO 8601, UTC."""
    champion: str
    """The digest of the model in use."""
    challenger: str
    rows: str
    """The digest of the rows that were compared: another one is another test split."""
    n: int
    metric: str
    gain: float
    """By how much the challenger is better; negative: worse."""
    spent: float
    """The chance of a false promotion that this look was allowed."""
    verdict: str
    seeds: int = 1
    """Trainings of the challenger's kind whose scores on these rows are known."""
    deviation: float = 0.0
    """Between their scores."""
    data: str = ""
    """The digest of the manifest, as in dvc.lock."""
    question: str = ""
    """The digest of what else decides: settings, the score, what is known of seeds. Empty: an older version's."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What was compared on what."""
        return self.champion, self.challenger, self.rows

    @property
    def asked(self) -> tuple[str, str, str, str]:
        """Asking the same of the same once more tells nothing new, and spends nothing."""
        return *self.key, self.question


def read_looks(text: str) -> list[Look]:
    """The lines of a ledger. Raises ArtifactError that names a line which is none."""
    known = {item.name for item in fields(Look)}
    found = list[Look]()
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            values = json.loads(line)
            found.append(Look(**{name: value for name, value in values.items() if name in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise ArtifactError(f"line {number} of looks.jsonl cannot be read ({error}): {line[:80]!r}.") from error
    return found


def line_of(look: Look) -> str:
    """One line of a ledger, with its end."""
    return json.dumps(asdict(look), sort_keys=True) + "\n"


def now_after(looks: Iterable[Look], now: datetime) -> datetime:
    """The time of a new look: never before an older one, also where the clock was put back."""
    return max([now.astimezone(UTC), *(datetime.fromisoformat(look.when) for look in looks)])


def of_the_year(looks: Iterable[Look], now: datetime) -> list[Look]:
    """Those of the 365 days before `now`."""
    return [look for look in looks if datetime.fromisoformat(look.when) > now - YEAR]


def allowance(looks: Sequence[Look], now: datetime, settings: VerdictSettings) -> float:
    """The chance of a false promotion that the next look may take."""
    left = settings.false_promotions - sum(look.spent for look in of_the_year(looks, now))
    return max(left, 0.0) / settings.looks


def earlier(looks: Iterable[Look], asked: tuple[str, str, str, str]) -> Look | None:
    """The look at the same models and rows that asked the same, if there was one."""
    return next((look for look in looks if look.asked == asked), None)
