"""Charts as inline SVG that takes its colours and its letters from the page around it."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mmcore.report.numbers import number
from mmcore.report.scores import Value

WIDTH = 5.2
"""Inches of every chart: on a phone its letters are then as large as they were drawn."""

COLOURS = {
    "ink": "#010101",
    "faint": "#020202",
    "line": "#030303",
    "accent": "#040404",
    "floor": "#050505",
    "second": "#060606",
}
"""Names of the page's colours -> stand-ins that matplotlib draws with."""

LINES = ("accent", "second", "ink", "faint")
"""Of the lines of one chart; from the fifth on they begin again."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mmcore",
    "font.size": 12.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["faint"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["faint"],
    "ytick.labelcolor": COLOURS["faint"],
    "text.color": COLOURS["ink"],
    "grid.color": COLOURS["line"],
}


def bars(rows: Mapping[str, Value], *, strong: str, percent: bool, title: str) -> str:
    """Horizontal bars with whiskers, one a row in the order given.

    rows: label -> value. strong: the label that has the page's accent. title: for those who cannot see the picture.
    """
    with drawing(0.6 * len(rows) + 0.1) as (figure, drawn):
        axes = figure.add_axes((0.005, 0.02, 0.99, 0.96))
        values = [0.0 if row.value != row.value else row.value for row in rows.values()]
        reach = [bound for row in rows.values() for bound in (row.low, row.high) if bound is not None]
        lowest, highest = min(0.0, *values, *reach), max(1.0 if percent else 0.0, *values, *reach) or 1.0
        for n, ((label, row), value) in enumerate(zip(rows.items(), values, strict=True)):
            colour = COLOURS["accent" if label == strong else "floor"]
            axes.barh(n, value, height=0.28, color=colour)
            if row.low is not None and row.high is not None:
                whisker = [[value - row.low], [row.high - value]]
                axes.errorbar(value, n, xerr=whisker, fmt="none", ecolor=COLOURS["ink"], elinewidth=1.2, capsize=3)
            weight = "bold" if label == strong else "normal"
            axes.text(lowest, n - 0.22, label, va="bottom", fontweight=weight, parse_math=False)
            shown = number(row.value, percent=percent)
            axes.text(highest, n - 0.22, shown, ha="right", va="bottom", fontweight=weight)
        axes.set_xlim(lowest, highest + 0.004 * (highest - lowest))
        axes.set_ylim(len(rows) - 0.7, -0.75)
        axes.axis("off")
        drawn(title)
    return drawn.svg


def curves(
    rows: Sequence[Mapping[str, float]], *, keys: Mapping[str, str], percent: bool, title: str, along: str = "epoch"
) -> str:
    """Lines over epochs, the first in the accent.

    rows: one a point of `along`, in rising order. keys: column -> its name in the legend; a column may lack values.
    """
    with drawing(2.9) as (figure, drawn):
        axes = figure.add_axes((0.13, 0.18, 0.85, 0.74))
        for column, colour in zip(keys, cycle(LINES), strict=False):
            points = [(row[along], row[column]) for row in rows if column in row and row[column] == row[column]]
            if points:
                marker = "o" if len(points) < 40 else None
                places, values = zip(*points, strict=True)
                axes.plot(places, values, color=COLOURS[colour], marker=marker, ms=3, lw=1.6, label=keys[column])
        _dress(axes, percent=percent, along=along)
        if len(keys) > 1:
            axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1)
        drawn(title)
    return drawn.svg


def _dress(axes: Axes, *, percent: bool, along: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=along == "epoch", nbins=8))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.grid(axis="y", alpha=0.6, lw=0.6)
    axes.tick_params(length=0)
    axes.set_xlabel(along)


class _Drawn:
    """What a figure became."""

    svg = ""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def __call__(self, title: str) -> None:
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        self.svg = _inline(buffer.getvalue(), title)


@contextmanager
def drawing(height: float) -> Iterator[tuple[Figure, _Drawn]]:
    """A figure in the page's style. No pyplot: it would keep figures, and look for a screen."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The browser draws the letters; that matplotlib's own font lacks Chinese ones does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height))
        yield figure, _Drawn(figure)


def _inline(svg: str, title: str) -> str:
    """The <svg> element alone, sized by the page, in the page's colours; its style sheet sets the font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(<svg[^>]*?) width=\"[^\"]*\"", r"\1", svg, count=1)
    svg = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", svg, count=1)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # each chart would bring the same ones
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{_attribute(title)}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
