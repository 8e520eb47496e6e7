"""Charts of a search: every trial, and what each setting has to do with its score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from mmcore.report.charts import COLOURS, drawing

MOST_AXES = 9
SHORT = 14
"""Letters of a value on an axis."""


@dataclass(frozen=True)
class Point:
    """A trial as the charts see it."""

    number: int
    state: str
    """complete, pruned or failed."""
    values: tuple[float, ...] | None
    """Of the objectives; of a pruned one the last score that it reported."""
    settings: Mapping[str, object]
    """Plain values by name; those that this trial does not have are not there."""
    strong: bool = False
    """The winner, or one of the front."""


def history(points: Sequence[Point], *, up: bool, name: str) -> str:
    """Each trial's score, and the best one so far as a line."""
    with drawing(2.9) as (figure, drawn):
        axes = figure.add_axes((0.14, 0.18, 0.84, 0.76))
        done = [point for point in points if point.state == "complete" and point.values]
        cut = [point for point in points if point.state == "pruned" and point.values]
        _dots(axes, done, "accent", "complete")
        if cut:
            _dots(axes, cut, "floor", "pruned")
        for number in (point.number for point in points if point.state == "failed"):
            axes.axvline(number, ymax=0.03, color=COLOURS["second"], lw=1.5)
        best, line = None, list[tuple[int, float]]()
        for point in done:
            assert point.values, "those with values alone"
            value = point.values[0]
            best = value if best is None else max(best, value) if up else min(best, value)
            line.append((point.number, best))
        if line:
            axes.step(*zip(*line, strict=True), where="post", color=COLOURS["ink"], lw=1.3, label="best so far")
        _dress(axes, "trial", name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.98), ncols=3, borderaxespad=0.1)
        drawn(f"{name} of each trial, and the best so far")
    return drawn.svg


def slices(points: Sequence[Point], *, names: Sequence[str], objective: str) -> str:
    """The score over each setting by itself."""
    columns = 2
    rows = math.ceil(len(names) / columns)
    done = [point for point in points if point.state == "complete" and point.values]
    with drawing(1.75 * rows + 0.1) as (figure, drawn):
        for place, name in enumerate(names):
            left, top = place % columns, place // columns
            axes = figure.add_axes((0.11 + 0.5 * left, 1 - (top + 0.78) / rows, 0.37, 0.56 / rows))
            having = [point for point in done if name in point.settings]
            scale = Scale.of([point.settings[name] for point in having])
            for strong in (False, True):
                some = [point for point in having if point.strong is strong]
                places = [scale.place(point.settings[name]) for point in some]
                heights = [point.values[0] for point in some if point.values]
                colour = COLOURS["second" if strong else "accent"]
                axes.scatter(places, heights, s=24 if strong else 12, color=colour, alpha=1 if strong else 0.55, lw=0)
            scale.mark(axes)
            axes.set_title(name if len(name) < 30 else f"..{name[-28:]}", fontsize=10.5, color=COLOURS["ink"], pad=3)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
            axes.tick_params(length=0, labelsize=9)
            axes.grid(axis="y", alpha=0.6, lw=0.6)
        drawn(f"{objective} over each setting by itself")
    return drawn.svg


def parallel(points: Sequence[Point], *, names: Sequence[str], objective: str, up: bool) -> str:
    """A line for each trial through all of its settings to its score; the winner strong, the best tenth in colour."""
    names = list(names)[: MOST_AXES - 1]
    done = [point for point in points if point.state == "complete" and point.values]
    ranked = sorted(done, key=lambda point: point.values[0] if point.values else 0.0, reverse=up)
    good = {point.number for point in ranked[: max(1, len(ranked) // 10)]}
    scales = [Scale.of([p.settings[name] for p in done if name in p.settings]) for name in names]
    scores = Scale.of([point.values[0] for point in done if point.values])
    height = 0.5 * (len(names) + 1) + 0.3
    # One setting below another, the score at the bottom: on a phone names of settings stand where they can be read.
    with drawing(height) as (figure, drawn):
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.94))
        for point in reversed(ranked):
            own = [
                s.share(point.settings[n]) if n in point.settings else None for n, s in zip(names, scales, strict=True)
            ]
            own.append(scores.share(point.values[0] if point.values else 0.0))
            steps = [(share, row) for row, share in enumerate(own) if share is not None]
            strong = point.number in good
            colour = COLOURS["second" if point.strong else "accent" if strong else "floor"]
            alpha, order = (0.95, 2) if strong or point.strong else (0.35, 1)
            width = 2.2 if point.strong else 1.2
            axes.plot(*zip(*steps, strict=True), color=colour, lw=width, alpha=alpha, zorder=order + point.strong)
        for row, (name, scale) in enumerate(zip([*names, objective], [*scales, scores], strict=True)):
            axes.plot([0, 1], [row, row], color=COLOURS["line"], lw=0.9, zorder=0)
            weight = "bold" if row == len(names) else "normal"
            axes.text(0.5, row - 0.1, name, ha="center", va="bottom", fontsize=10, fontweight=weight, parse_math=False)
            for share, text in scale.labels():
                side = "left" if share < 0.05 else "right" if share > 0.95 else "center"
                faint = COLOURS["faint"]
                axes.text(share, row + 0.08, text, ha=side, va="top", fontsize=8.5, color=faint, parse_math=False)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(len(names) + 0.45, -0.45)
        axes.axis("off")
        drawn(f"every trial's settings and its {objective}")
    return drawn.svg


def front(points: Sequence[Point], *, objectives: Sequence[str]) -> str:
    """The first two objectives against each other; the front in strong."""
    with drawing(3.2) as (figure, drawn):
        axes = figure.add_axes((0.15, 0.16, 0.83, 0.8))
        done = [point for point in points if point.state == "complete" and point.values]
        for strong in (False, True):
            some = sorted((p.values[1], p.values[0]) for p in done if p.values and p.strong is strong)
            if some:
                axes.plot(*zip(*some, strict=True), marker="o", ms=6 if strong else 4, lw=1.2 if strong else 0,
                          color=COLOURS["second" if strong else "accent"], alpha=1 if strong else 0.6)  # fmt: skip
        if objectives[1] in ("parameters", "train_s", "latency_ms"):
            axes.set_xscale("log")
        _dress(axes, objectives[1], objectives[0])
        drawn(f"{objectives[0]} against {objectives[1]}")
    return drawn.svg


@dataclass(frozen=True)
class Scale:
    """How values of one setting lie on a line: as numbers, as their logarithms, or as words side by side."""

    words: tuple[str, ...] | None
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    @classmethod
    def of(cls, values: Sequence[object]) -> "Scale":
        numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v == v]
        if len(numbers) < len(values) or not numbers:
            return cls(tuple(sorted({str(value) for value in values})))
        low, high = min(numbers), max(numbers)
        return cls(None, low, high, log=low > 0 and high / low >= 20)

    def place(self, value: object) -> float:
        """On the axis of a chart."""
        return float(self.words.index(str(value))) if self.words is not None else float(value)  # type: ignore[arg-type]

    def share(self, value: object) -> float:
        """From 0 to 1."""
        if self.words is not None:
            return self.place(value) / max(1, len(self.words) - 1) if len(self.words) > 1 else 0.5
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(self.place(value) / self.low) / math.log(self.high / self.low)
        return (self.place(value) - self.low) / (self.high - self.low)

    def labels(self) -> list[tuple[float, str]]:
        """Where on the line which words stand."""
        if self.words is None:
            ends = {0.0: self.low, 1.0: self.high} if self.high > self.low else {0.5: self.low}
            return [(share, f"{value:.3g}") for share, value in ends.items()]
        shown = self.words if len(self.words) <= 6 else (self.words[0], self.words[-1])
        return [(self.share(word), word[:SHORT]) for word in shown]

    def mark(self, axes: Axes) -> None:
        """Dress the horizontal axis of a chart."""
        if self.words is not None:
            axes.set_xticks(range(len(self.words)), [word[:SHORT] for word in self.words])
            axes.set_xlim(-0.5, len(self.words) - 0.5)
        elif self.log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_minor_locator(NullLocator())
            middle = math.sqrt(self.low * self.high)
            axes.set_xticks([self.low, middle, self.high], [f"{v:.2g}" for v in (self.low, middle, self.high)])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _dots(axes: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    places = [point.number for point in points]
    heights = [point.values[0] for point in points if point.values]
    axes.scatter(places, heights, s=16, color=COLOURS[colour], label=label, alpha=0.85, lw=0)


def _dress(axes: Axes, along: str, up: str) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(axis="y", alpha=0.6, lw=0.6)
    axes.tick_params(length=0)
    axes.set_xlabel(along, parse_math=False)
    axes.set_ylabel(up, parse_math=False)
