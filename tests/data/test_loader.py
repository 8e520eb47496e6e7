import threading
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.dataset import Dataset
from mmcore.data.loader import Loader, made_ahead
from mmcore.errors import ArtifactError
from mmcore.testing.toys.modalities import VectorModality


class Memory:
    """One array a row; None where the row's number is in `gone`."""

    def __init__(self, rows, gone=()):
        self.rows, self.gone = rows, gone

    def __len__(self):
        return self.rows

    def take(self, rows):
        return [None if row in self.gone else np.array([row], dtype=np.float32) for row in rows]


def dataset(rows=20, **settings):
    modality = VectorModality()
    modality.fit(["1"], None)
    splits = np.array(["train"] * (rows - 4) + ["test"] * 4, dtype=object)
    groups = np.arange(rows) // 2
    return Dataset({"vector": modality}, {"vector": Memory(rows, gone=(3,))}, splits=splits, groups=groups, **settings)


def seen(**settings):
    return [batch.row.tolist() for batch in Loader(dataset(), np.arange(20), batch_size=6, **settings)]


def test_a_batch_holds_its_rows_their_groups_and_who_is_present():
    batch = dataset().batch(np.array([4, 3]))
    assert batch.row.tolist() == [4, 3]
    assert batch.group.tolist() == [2, 1]
    assert batch.fields["vector"].present.tolist() == [True, False]
    assert batch.fields["vector"].values[0].tolist() == [4.0]


def test_splits_leave_out_what_is_in_quarantine():
    found = dataset(left_out=frozenset({0, 17}))
    assert found.rows("test").tolist() == [16, 18, 19]
    assert found.rows("train").tolist() == list(range(1, 16))
    assert found.rows("validation").tolist() == []


def test_arrays_of_another_manifest_are_refused():
    with pytest.raises(ArtifactError, match="written for 7 rows, but the manifest has 8"):
        Dataset({"v": VectorModality()}, {"v": Memory(7)}, splits=np.array(["train"] * 8), groups=np.arange(8))


def test_without_shuffling_the_order_is_kept_and_every_row_comes_once():
    assert list(chain(*seen())) == list(range(20))
    assert [len(rows) for rows in seen()] == [6, 6, 6, 2]


@given(st.integers(0, 2**31), st.integers(0, 1000), st.integers(0, 5))
def test_the_order_is_a_function_of_seed_and_epoch_and_can_be_taken_up_anywhere(seed, epoch, start):
    whole = seen(shuffle=True, seed=seed, epoch=epoch, ahead=0)
    assert sorted(chain(*whole)) == list(range(20))
    assert seen(shuffle=True, seed=seed, epoch=epoch, start=start) == whole[start:]


def test_another_epoch_or_seed_gives_another_order():
    orders = {str(seen(shuffle=True, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@pytest.mark.parametrize("start", [0, 3, 4, 9])
def test_the_length_is_the_number_of_batches_that_are_left(start):
    loader = Loader(dataset(), np.arange(20), batch_size=6, start=start)
    assert len(loader) == len(list(loader))


def test_no_rows_give_no_batch():
    assert list(Loader(dataset(), np.arange(0), batch_size=6)) == []


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_making_ahead_changes_nothing(ahead):
    assert seen(shuffle=True, ahead=ahead) == seen(shuffle=True, ahead=0)


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("second")

    found = made_ahead(items(), 2)
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)


def test_whoever_leaves_early_leaves_no_thread():
    batches = iter(Loader(dataset(), np.arange(20), batch_size=1))
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mmcore-loader"]


def test_no_more_is_made_ahead_than_asked_for():
    made = []

    def items():
        for n in range(100):
            made.append(n)
            yield n

    found = made_ahead(items(), 2)
    next(found)
    found.close()
    assert len(made) < 8


class Ragged(Memory):
    """A row's array is as long as its number modulo 7, and a row whose number is in `gone` has none."""

    @property
    def lengths(self):
        return np.array([0 if row in self.gone else 1 + row % 7 for row in range(self.rows)])


def ragged(rows=200):
    modality = VectorModality()
    modality.fit(["1"], None)
    splits = np.array(["train"] * rows, dtype=object)
    return Dataset({"v": modality}, {"v": Ragged(rows, gone=(3, 50))}, splits=splits, groups=np.arange(rows))


@pytest.mark.parametrize("rows", [1, 5, 64, 101, 200])
def test_rows_of_one_length_come_together_and_each_once(rows):
    whole = Loader(ragged(), np.arange(rows), batch_size=8, shuffle=True, alike=4, epoch=2)
    assert sorted(whole.order().tolist()) == list(range(rows))
    assert np.array_equal(
        whole.order(), Loader(ragged(), np.arange(rows), batch_size=8, shuffle=True, alike=4, epoch=2).order()
    )
    rest = Loader(ragged(), np.arange(rows), batch_size=8, shuffle=True, alike=4, epoch=2, start=3)
    assert [b.row.tolist() for b in rest] == [b.row.tolist() for b in whole][3:]


def test_less_is_padding_where_rows_of_one_length_come_together():
    mixed, sorted_ = (Loader(ragged(), np.arange(200), batch_size=8, shuffle=True, alike=n).padding() for n in (1, 10))
    assert mixed.keys() == sorted_.keys() == {"v"}
    assert sorted_["v"] < mixed["v"] / 2
    longest_first = [int(Ragged(200).lengths[batch[0]]) for batch in np.split(
        Loader(ragged(), np.arange(200), batch_size=8, shuffle=True, alike=25).order(), 25
    )]  # fmt: skip
    assert longest_first != sorted(longest_first), "short ones would always come first"


def test_padding_is_what_the_batches_hold():
    loader = Loader(ragged(), np.arange(16), batch_size=8, shuffle=True, alike=1)
    lengths = [ragged().lengths(part)["v"] for part in np.split(loader.order(), 2)]
    assert loader.padding()["v"] == 1 - sum(map(sum, lengths)) / sum(8 * max(part) for part in lengths)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_parts_of_a_batch_are_the_batch_and_filler_has_nothing(count):
    whole = list(Loader(dataset(), np.arange(20), batch_size=6, shuffle=True, ahead=0))
    parts = [list(Loader(dataset(), np.arange(20), batch_size=6, shuffle=True, part=(n, count))) for n in range(count)]
    for number, batch in enumerate(whole):
        mine = [part[number] for part in parts]
        assert len({len(part) for part in mine}) == 1
        real = [row for part in mine for row in part.row[part.fields["vector"].present].tolist()]
        assert real == [row for row in batch.row.tolist() if row != 3]
        gaps = not batch.fields["vector"].complete
        assert gaps == any(not (part.fields["vector"].complete or part.fields["vector"].padded) for part in mine)
