"""The page of a search: is the winner better, how it was found, and what mattered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from mmcore.report import charts, search_charts
from mmcore.report.numbers import number
from mmcore.report.scores import Value
from mmcore.report.search_charts import Point
from mmcore.report.spread import fine

DOTS = {"better": "good", "worse": "bad", "open": "open", "one": "open", "same": "none"}


@dataclass(frozen=True)
class Compared:
    """The winner beside the settings searched from."""

    key: str
    split: str
    verdict: str
    """better, worse, open, one or same."""
    sentence: str
    winner: Mapping[int, float]
    """Seed -> score."""
    default: Mapping[int, float]


@dataclass(frozen=True)
class Page:
    """All that the page tells."""

    objectives: Sequence[str]
    better: Sequence[str]
    """up or down, for each objective."""
    why: str
    """Why the search ended."""
    points: Sequence[Point]
    space: Mapping[str, str]
    """Setting -> in words, what it might be."""
    importances: Mapping[str, float] = field(default_factory=dict)
    winner: int | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    """What the winner sets."""
    front: Sequence[int] = ()
    compared: Compared | None = None
    experiment: str | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    """Reason -> how many trials."""

    def count(self, state: str) -> int:
        """How many trials of a state."""
        return sum(point.state == state for point in self.points)

    @property
    def names(self) -> list[str]:
        """Settings that were not the same in all trials, those that mattered most first."""
        found = list(dict.fromkeys(name for point in self.points for name in point.settings))
        varied = [n for n in found if len({str(p.settings[n]) for p in self.points if n in p.settings}) > 1]
        return sorted(varied, key=lambda name: (-self.importances.get(name, 0.0), found.index(name)))


def render_search(page: Page, *, title: str) -> str:
    """The whole page."""
    best = next((point for point in page.points if point.number == page.winner), None)
    return _template().render(
        title=title, page=page, best=best, dot=DOTS.get(page.compared.verdict, "none") if page.compared else "none",
        charts=_charts(page), beside=_beside(page.compared) if page.compared else None,
        first=sorted((p for p in page.points if p.state == "complete" and p.values), reverse=page.better[0] == "up",
                     key=lambda point: point.values[0] if point.values else 0.0)[:10],
    )  # fmt: skip


def _charts(page: Page) -> dict[str, Markup]:
    """Each by its name; those that have nothing to show are not there."""
    done = [point for point in page.points if point.state == "complete"]
    if not done:
        return {}
    objective, up = page.objectives[0], page.better[0] == "up"
    found = {"history": search_charts.history(page.points, up=up, name=objective)}
    if page.importances:
        rows = {name: Value(share) for name, share in list(page.importances.items())[:12]}
        found["importance"] = charts.bars(rows, strong=next(iter(rows)), percent=True, title="importance of settings")
    if page.names and len(done) > 1:
        found["parallel"] = search_charts.parallel(page.points, names=page.names, objective=objective, up=up)
        found["slices"] = search_charts.slices(page.points, names=page.names[:12], objective=objective)
    if len(page.objectives) > 1:
        found["front"] = search_charts.front(page.points, objectives=page.objectives)
    return {name: Markup(svg) for name, svg in found.items()}


def _beside(compared: Compared) -> Markup:
    """Bars: both means with the lowest and highest of their seeds."""
    rows = {}
    for label, scores in (("winner", compared.winner), ("settings before", compared.default)):
        values = list(scores.values())
        rows[label] = Value(sum(values) / len(values), min(values), max(values))
    return Markup(charts.bars(rows, strong="winner", percent=False, title="the winner beside the settings before"))


def shown(value: object) -> str:
    """A setting's value: the last digits of a number that was drawn say nothing."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mmcore", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"fine": fine, "number": number, "shown": shown}
    return environment.get_template("search.html.j2")
