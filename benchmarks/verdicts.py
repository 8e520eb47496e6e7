"""A year of nightly comparisons, many times over: how often a model is promoted that is not better, and how soon one.

Each night a model is trained whose recipe is the same as that of the model in use, so that every promotion is a false
one. What is scored is what the rows of one fixed test split say: the recipe's level, plus chance between trainings,
plus chance in the rows for this very model; the deviations are those of accuracies near 90 % on 2,000 rows. Numbers are
drawn, verdicts are the real ones (mmcore/releases). Beside each stands a rule that many use: promote when the 95 %
interval of the paired bootstrap lies above zero.

Power: from the hundredth night on the recipe is better by so many deviations of a difference; how many nights it takes.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from mmcore.releases.looks import Look, allowance
from mmcore.releases.noise import chance_of, noise_of
from mmcore.releases.settings import VerdictSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
NIGHTS = 365
GOAL = 0.05
DATES = [(START + timedelta(days=night)).isoformat() for night in range(NIGHTS)]
ROWS = 0.004
"""Deviation of one model's score by its rows, what all models find hard taken off."""
FEW = 3.6
"""Deviations by rows below which no allowed chance (0.05 / 365 at most) is reached: no verdict is to be computed."""


@dataclass(frozen=True)
class World:
    """What the nights are drawn from."""

    trainings: float
    """Deviation between trainings of one recipe, rows aside."""
    seeds: int = 1
    """`repeats.seeds`."""
    alike: float = 0.0
    """Correlation of a night's training with that of the night before."""
    gain: float = 0.0
    """By how much the recipe is better from `night` on."""
    night: int = NIGHTS

    @property
    def single(self) -> float:
        """Deviation of one model's score on these rows."""
        return math.hypot(self.trainings, ROWS)


def year(world: World, draw: np.random.Generator, settings: VerdictSettings) -> tuple[int | None, int | None]:
    """The night of the first promotion by our rule, and by an interval above zero; None: there was none."""
    champion = draw.normal(0, world.single)
    levels = np.where(np.arange(NIGHTS) >= world.night, world.gain, 0.0)
    scores = levels[:, None] + world.single * _nights(world, draw)
    rows = math.sqrt(2) * ROWS
    gains = (scores[:, 0] - champion).tolist()
    deviations = (scores.std(axis=1, ddof=1) if world.seeds > 1 else np.zeros(NIGHTS)).tolist()
    looks, spent, ours, theirs = list[Look](), 0.0, None, None
    if max(gains) <= FEW * rows:  # no night comes near: the looks need not be made up
        nights = (night for night, gain in enumerate(gains) if gain > 1.96 * rows)
        return None, next(nights, None)
    for night, (gain, deviation) in enumerate(zip(gains, deviations, strict=True)):
        allowed = (settings.false_promotions - spent) / settings.looks
        look = Look(
            DATES[night], "champion", str(night), "rows", n=2000, metric="accuracy",
            gain=gain, spent=allowed, verdict="", seeds=world.seeds, deviation=deviation,
        )  # fmt: skip
        if theirs is None and gain > 1.96 * rows:
            theirs = night
        if gain > FEW * rows:
            if night % 50 == 0:  # the same in one step
                assert math.isclose(allowed, allowance(looks, START + timedelta(days=night), settings))
            noise = noise_of([*looks, Look(**{**look.__dict__, "champion": ""})], "accuracy")
            if chance_of(gain, rows=rows, groups=2000, noise=noise, allowed=allowed).p <= allowed:
                ours = night
                break
        looks.append(look)
        spent += allowed
    return ours, theirs


def _nights(world: World, draw: np.random.Generator) -> np.ndarray:
    """[nights, seeds] of deviation 1; the first seed's nights resemble each other."""
    found = draw.normal(0, 1, (NIGHTS, world.seeds))
    for night in range(1, NIGHTS if world.alike else 0):
        found[night, 0] = world.alike * found[night - 1, 0] + math.sqrt(1 - world.alike**2) * found[night, 0]
    return found


def measure(years: int) -> Iterator[dict[str, object]]:
    """Rows of the table."""
    settings, draw = VerdictSettings(), np.random.default_rng(0)
    worlds = [(times, seeds, 0.0) for times in (0.0, 1.0, 3.0) for seeds in (1, 3)]
    for times, seeds, alike in [*worlds, (1.0, 1, 0.8), (1.0, 3, 0.8)]:
        found = [year(World(times * ROWS, seeds, alike), draw, settings) for _ in range(years)]
        ours, theirs = (sum(night is not None for night in side) / years for side in zip(*found, strict=True))
        reach = 1.96 * math.sqrt(max(ours * (1 - ours), 1 / years) / years)
        yield {
            "what": "years with a false promotion; chance between trainings "
            f"{times:g} x that of rows, {seeds} seed(s)" + (f", nights alike by {alike:g}" if alike else ""),
            "ours": round(ours, 4),
            "reference": round(theirs, 3),
            "ratio": None,
            "spread": [round(max(ours - reach, 0.0), 4), round(ours + reach, 4)],
            "goal": GOAL,
            "met": ours <= GOAL,
        }
    for times, seeds in [(3.0, 1), (3.0, 3), (4.0, 1), (4.0, 3), (5.0, 1), (5.0, 3)]:
        gain = times * math.sqrt(2) * World(ROWS).single
        nights = [_waited(World(ROWS, seeds, gain=gain, night=100), draw, settings) for _ in range(years // 4)]
        low, high = np.quantile(nights, [0.25, 0.75], method="nearest")  # inf has no middle
        yield {
            "what": f"nights until a recipe is promoted that is {times:g} deviations better, {seeds} seed(s); median",
            "ours": float(np.median(nights)),
            "reference": None,
            "ratio": None,
            "spread": [float(low), float(high)],
            "goal": None,
            "met": None,
        }


def _waited(world: World, draw: np.random.Generator, settings: VerdictSettings) -> float:
    """From the first night of the better recipe on, that being 1; inf where the year ends without."""
    night, _ = year(world, draw, settings)
    return math.inf if night is None else float(max(night - world.night + 1, 0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer years")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    table = list(measure(years=50 if options.quick else 300))
    print(json.dumps(table, indent=2) if options.json else "\n".join(
        "  ".join(f"{key}: {value}" for key, value in row.items()) for row in table
    ))  # fmt: skip
