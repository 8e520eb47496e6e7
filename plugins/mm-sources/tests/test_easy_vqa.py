"""The built-in example's data."""

import pytest
from mm_sources import easy_vqa
from mm_sources.easy_vqa import EasyVQASource

from mmcore.errors import DataError


def test_images_of_the_two_splits_are_told_apart():
    rows = list(EasyVQASource().rows())
    splits = {}
    for row in rows:
        splits.setdefault(row["image_id"], set()).add((row["split"], row["image"]))
    assert len(rows) == 48_248
    assert len(splits) == 5_000
    assert all(len(found) == 1 for found in splits.values())


def test_images_lie_under_the_base():
    source = EasyVQASource()
    first = next(iter(source.rows()))
    assert (source.base / first["image"]).is_file()


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(easy_vqa, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install easy-vqa"):
        next(EasyVQASource().rows())
    assert EasyVQASource().version == ""
