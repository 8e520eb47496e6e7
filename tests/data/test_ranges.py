"""Ranges of bytes that are fetched as one."""

import numpy as np
import pytest

from mmcore.data.ranges import LARGEST, NEAR, Range, cut, joined


@pytest.mark.parametrize(
    ("other", "requests"),
    [
        (Range("a", 10, 20), 1),
        (Range("a", 10 + NEAR, 20 + NEAR), 1),
        (Range("a", 11 + NEAR, 21 + NEAR), 2),
        (Range("b", 10, 20), 2),
        (Range("a", 0, 10), 2),  # of a second shard of the same content
        (Range("a", 10, LARGEST), 1),
        (Range("a", 10, LARGEST + 1), 2),
    ],
)
def test_neighbours_of_one_file_are_joined_up_to_a_size(other, requests):
    assert len(joined([Range("a", 0, 10), other])) == requests


def test_each_range_is_cut_from_what_it_was_joined_to():
    generator = np.random.default_rng(0)
    files = {name: generator.bytes(200_000) for name in "abc"}
    ranges = [
        Range(name, int(start), int(start) + 100)
        for name in files
        for start in np.sort(generator.choice(1900, 40, replace=False)) * 100
    ]
    wholes = joined(ranges)
    answers = [files[whole.file][whole.start : whole.end] for whole in wholes]
    assert 3 < len(wholes) < len(ranges)
    assert cut(ranges, wholes, answers) == [files[one.file][one.start : one.end] for one in ranges]
