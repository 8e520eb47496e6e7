"""The page about repeats: every score over all runs, and each run's own."""

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

WORDS = {
    "seeds": "The same rows, trained with several seeds: what lies between the runs is chance alone.",
    "folds": "Each run left out one part of the rows and was judged on it; means count each fold by its rows. Folds "
    "share training rows, so the intervals are somewhat too narrow.",
}


def render_spread(
    spread: Mapping[str, Mapping[str, float]],
    runs: Mapping[str, Mapping[str, float]],
    *,
    kind: str,
    confidence: float,
    title: str,
) -> str:
    """The page. spread: `task/metric` -> mean, low, high, ...; runs: name -> `task/metric` -> its score."""
    return _template().render(
        title=title, spread=spread, runs=runs, kind=kind, words=WORDS[kind], confidence=confidence
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mmcore", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = fine
    return environment.get_template("spread.html.j2")


def fine(value: float) -> str:
    """Four digits: what lies between runs is small."""
    return f"{value:.4g}" if value == value else "not defined"
