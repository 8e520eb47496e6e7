"""What a stage keeps from token to token."""

import pytest
import torch
from torch import Tensor

from mmcore.interfaces.cache import ROOM, StageCache

# R = texts, K = tokens so far, D = width

R, D = 4, 3


def tokens(count: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(R, count, D)


def grown(*parts: Tensor) -> StageCache:
    cache = StageCache()
    for part in parts:
        cache.grow("keys", part, axis=1)
    return cache


def test_what_is_put_behind_is_all_that_was_given():
    parts = [tokens(5), *(tokens(1, seed) for seed in range(1, 2 * ROOM))]

    assert torch.equal(grown(*parts)["keys"], torch.cat(parts, 1))


def test_what_was_given_stays_as_it_is():
    first, second = tokens(2), tokens(1, 1)
    same = first.clone()

    cache = grown(first, second, second)
    cache.swap(torch.tensor([1, 0, 3, 2]))

    assert torch.equal(first, same)


def test_gradients_reach_every_part():
    first, second = (tokens(2, seed).requires_grad_() for seed in (0, 1))

    grown(first, second, first, tokens(1), tokens(1))["keys"].square().sum().backward()

    torch.testing.assert_close(first.grad, 4 * first.detach())
    torch.testing.assert_close(second.grad, 2 * second.detach())


@pytest.mark.parametrize("parts", [[], [1], [1, 1], [1] * 2 * ROOM], ids=len)
def test_texts_that_were_one_change_places(parts):
    """As rows that are picked, though what they had in common is not touched."""
    cache = grown(tokens(5), tokens(1, 7))
    cache["fixed"] = torch.arange(R)
    twice = torch.arange(R).repeat_interleave(2)
    one, other = cache.pick(twice), cache.pick(twice)
    for seed, count in enumerate(parts):
        torch.manual_seed(seed)
        new = torch.randn(2 * R, count, D)
        for each in (one, other):
            each.grow("keys", new, axis=1)
            each.grow("late", new, axis=1)
            each.update(state=torch.arange(2 * R) + seed)
        rows = torch.tensor([1, 0, 2, 2, 5, 4, 7, 6])
        one.swap(rows)
        other = other.pick(rows)

    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_part_of_what_grew_changes_places_once():
    cache = grown(tokens(5)).pick(torch.arange(R))
    cache["last"] = cache.grow("keys", tokens(1, 1), axis=1)[:, -1]

    cache.swap(torch.tensor([1, 0, 3, 2]))

    assert torch.equal(cache["last"], tokens(1, 1)[[1, 0, 3, 2], 0])


def test_what_they_have_in_common_is_not_copied():
    cache = grown(tokens(5)).pick(torch.arange(R))
    before = cache.grow("keys", tokens(1, 1), axis=1)
    before[:, :5] = before[:1, :5]  # as beams of one sample
    place, common = before.data_ptr(), before[:, :5].clone()

    cache.swap(torch.tensor([3, 3, 3, 3]))

    assert cache["keys"].data_ptr() == place
    assert torch.equal(cache["keys"][:, :5], common)
    assert torch.equal(cache["keys"][:, 5], tokens(1, 1)[[3, 3, 3, 3], 0])


def test_what_is_set_anew_begins_anew():
    cache = grown(tokens(5), tokens(1, 1))

    cache["keys"] = tokens(2, 2)

    assert torch.equal(cache.grow("keys", tokens(1, 3), axis=1), torch.cat([tokens(2, 2), tokens(1, 3)], 1))
    del cache["keys"]
    assert not cache
