"""The page about a verdict: what was compared with what, how sure it is, and what became of it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

STATES = {"PROMOTE": "good", "HOLD": "open", "REJECT": "bad"}
"""The verdict -> the colour of its dot."""


def render_verdict(record: Mapping[str, Any], *, title: str) -> str:
    """The page. record: as mmcore/releases/record.py tells."""
    watched = record["scores"].get(record["metric"]) if record["chance"] else None  # else it is no gain to judge by
    return _template().render(
        title=title, record=record, looks=record["earlier"], watched=watched, state=STATES[record["verdict"]],
        strip=None if watched is None else strip(watched, record["chance"]["needed"]),
    )  # fmt: skip


def strip(watched: Mapping[str, float], needed: float | None) -> dict[str, float]:
    """Where zero, the gain, its interval and what is needed stand on a line from 0 to 100."""
    points = [0.0, watched["gain"], watched["low"], watched["high"]]
    points += [needed] if needed is not None and needed < 20 * max(map(abs, points)) else []
    low, high = min(points), max(points)
    room = (high - low) * 0.06 or 1.0
    start, width = low - room, high - low + 2 * room

    def at(value: float) -> float:
        return round(100 * (value - start) / width, 2)

    found = {"zero": at(0.0), "gain": at(watched["gain"]), "low": at(watched["low"]), "high": at(watched["high"])}
    return found | ({"needed": at(needed)} if needed is not None and needed in points else {})


def fine(value: float) -> str:
    """Four digits after the point: what lies between two models is small."""
    if value != value:
        return "not defined"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"


def signed(value: float) -> str:
    """A gain with its sign."""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{fine(abs(value))}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mmcore", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"fine": fine, "signed": signed}
    return environment.get_template("verdict.html.j2")
