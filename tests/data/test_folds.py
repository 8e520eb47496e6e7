"""Cross-validation: every row once, groups whole, the test rows in no fold."""

import numpy as np
import pyarrow as pa
import pytest

from mmcore.data.folds import UNUSED, in_folds
from mmcore.data.manifest import Manifest
from mmcore.errors import ConfigError


def manifest(rows: int = 120, per_group: int = 3) -> Manifest:
    splits = ["test" if n >= rows - 12 else "train" if n % 7 else "validation" for n in range(rows)]
    labels = ["rare" if n % per_group == 0 and n % 30 == 0 else "often" for n in range(rows)]
    columns = {
        "id": [str(n) for n in range(rows)],
        "split": splits,
        "group": [str(n // per_group) for n in range(rows)],
    }
    return Manifest(pa.table({**columns, "label": labels}))


def folds(of: Manifest, count: int = 4, stratify: str | None = None, seed: int = 0) -> list[Manifest]:
    return [in_folds(of, fold=n, folds=count, seed=seed, stratify=stratify) for n in range(count)]


def test_every_row_is_judged_once_and_test_rows_never() -> None:
    original = manifest()
    found = folds(original)
    judged = np.concatenate([one.rows("test") for one in found])
    assert sorted(judged) == np.flatnonzero(original.splits != "test").tolist()
    for one in found:
        assert set(np.flatnonzero(one.splits == UNUSED)) == set(original.rows("test"))
        assert len(one.rows("train")) > len(one.rows("validation")) > 0


def test_no_group_is_divided() -> None:
    for one in folds(manifest(), stratify="label"):
        places = dict[str, set[str]]()
        for group, split in zip(one.groups, one.splits, strict=True):
            places.setdefault(group, set()).add(split)
        assert all(len(splits) == 1 for splits in places.values() if splits != {"test", UNUSED})


def test_a_rare_value_is_spread_over_the_folds() -> None:
    rare = [sum(label == "rare" for label in np.array(one.cells("label"))[one.rows("test")]) for one in
            folds(manifest(), stratify="label")]  # fmt: skip
    assert sum(rare) == 4
    assert max(rare) == 1


def test_folds_are_a_function_of_the_seed() -> None:
    same, again, other = (folds(manifest(), seed=seed)[0].splits.tolist() for seed in (0, 0, 1))
    assert same == again
    assert same != other


def test_more_folds_than_groups_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"repeats.folds is 9, but there are only 6 groups"):
        in_folds(manifest(rows=30, per_group=3), fold=0, folds=9, seed=0, stratify=None)


def test_one_fold_leaves_nothing_to_learn_from() -> None:
    with pytest.raises(ConfigError, match=r"repeats\.folds is 1"):
        in_folds(manifest(), fold=0, folds=1, seed=0, stratify=None)


def test_values_that_are_all_different_cannot_be_spread() -> None:
    with pytest.raises(ConfigError, match=r"repeats.stratify is 'id', but none of its values"):
        in_folds(manifest(), fold=0, folds=4, seed=0, stratify="id")


def test_one_group_that_is_left_cannot_be_validated_on() -> None:
    with pytest.raises(ConfigError, match="leaves training rows of one group"):
        in_folds(manifest(rows=18, per_group=3), fold=0, folds=2, seed=0, stratify=None)
