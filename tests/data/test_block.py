"""Arrays that lie together are a batch already."""

import numpy as np
import pytest
import torch

from mmcore.data.features import Features
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.interfaces.block import Block, stacked


def store_of(folder, arrays, **settings):
    writer = StoreWriter(folder, **settings)
    for array in arrays:
        writer.add(array)
    writer.finish(np.arange(len(arrays)))
    return Store(folder)


@pytest.mark.parametrize("shard_bytes", [1, 30, 10_000])
def test_rows_of_any_shards_come_as_one_block_in_the_order_asked(tmp_path, shard_bytes):
    arrays = [np.full((2, 3), n, np.uint8) for n in range(9)]
    taken = store_of(tmp_path, arrays, shard_bytes=shard_bytes).take(np.array([8, 0, 3, 3]))
    assert isinstance(taken, Block)
    assert np.array_equal(taken.whole, np.stack([arrays[n] for n in (8, 0, 3, 3)]))
    assert np.shares_memory(taken[1], taken.whole)
    taken[2][:] = 77
    assert taken[3].max() == 3


def test_a_block_is_stacked_without_a_copy_and_a_list_like_it_to_the_same_values():
    block, filler = Block(np.arange(12.0).reshape(3, 4)), np.zeros(4)
    values, present = stacked(block, filler=filler)
    copied, there = stacked(list(block), filler=filler)
    assert values.data_ptr() == block.whole.ctypes.data
    assert torch.equal(values, copied)
    assert present.tolist() == there.tolist() == [True] * 3


def test_a_filler_stands_where_there_is_none():
    values, present = stacked([None, np.ones(2)], filler=np.full(2, 7.0))
    assert values.tolist() == [[7, 7], [1, 1]]
    assert present.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_features_that_lie_together_are_collated_as_others_are(dtype):
    block = Block(np.random.default_rng(0).normal(size=(3, 2, 5)).astype(dtype))
    quick, slow = Features(5).collate(block), Features(5).collate(list(block))
    assert torch.equal(quick.values, slow.values)
    assert quick.values.dtype == slow.values.dtype == torch.float32
    assert quick.mask is slow.mask is None
    assert torch.equal(quick.present, slow.present)
