"""A year of nightly comparisons, in its shortest form."""

import numpy as np
import verdicts
from verdicts import measure

from mmcore.releases.settings import VerdictSettings


def test_every_world_has_a_row_and_keeps_its_budget():
    rows = list(measure(years=4))
    judged = [row for row in rows if row["goal"] is not None]
    assert len(judged) == 8
    assert sum(row["ours"] for row in judged) <= 2 / 4  # of 32 years two may have one
    assert sum(row["reference"] for row in judged) > 2
    assert all(row["ours"] >= 1 for row in rows if row["goal"] is None)


def test_a_recipe_that_is_much_better_is_promoted_at_once():

    world = verdicts.World(verdicts.ROWS, seeds=3, gain=0.2, night=100)
    nights = [verdicts.year(world, np.random.default_rng(seed), VerdictSettings())[0] for seed in range(3)]
    assert nights == [100] * 3
