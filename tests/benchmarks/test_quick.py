"""Every row of the table in its shortened form: from the archive to scores."""

import math

import pytest
from goals.table import BENCHMARKS
from quality import measure, show


@pytest.mark.slow  # twenty small trainings
@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_the_shortened_row_runs_from_archive_to_score(name, archives, cache):
    rows = measure(name, BENCHMARKS[name], data=archives, work=cache.parent, quick=True)
    assert [row["metric"] for row in rows] == [goal.metric for goal in BENCHMARKS[name].goals]
    assert not all(math.isnan(row["ours"]) for row in rows)
    assert all(row["met"] is None and name in show(row) for row in rows)
