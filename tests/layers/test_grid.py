"""Convolution stages carry absence through a shrinking grid, and copy nothing that need not be copied."""

import pytest
import torch
from torch import nn

from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import GridStage, from_picture, same_padding, to_picture

SIDE, WIDTH = 6, 3
FULL, ABSENT, BLANK = 0, 1, 2


@pytest.fixture
def stage() -> GridStage:
    torch.manual_seed(0)
    return GridStage(nn.Sequential(nn.Conv2d(WIDTH, 4, 3, 2, 1), nn.GroupNorm(2, 4)))


def mixed() -> Tokens:
    """A full row, an absent one, and one with a blank token alone; junk where masked."""
    mask = torch.ones(3, SIDE * SIDE, dtype=torch.bool)
    mask[ABSENT] = False
    mask[BLANK, 1:] = False
    return Tokens.of(torch.randn(3, SIDE * SIDE, WIDTH), mask, grid=(SIDE, SIDE))


def test_a_full_row_stays_full_an_absent_one_absent_and_a_blank_keeps_its_first(stage):
    result = stage(mixed())

    assert result.grid == (3, 3)
    assert result.mask[FULL].all()
    assert not result.mask[ABSENT].any()
    assert result.mask[BLANK].nonzero().tolist() == [[0]]


def test_the_rule_holds_over_many_stages_and_odd_sizes():
    mask = torch.zeros(1, 7 * 5, dtype=torch.bool)
    mask[0, 0] = True
    tokens = Tokens.of(torch.randn(1, 35, WIDTH), mask, grid=(7, 5))
    for _ in range(3):
        tokens = GridStage(nn.Conv2d(WIDTH, WIDTH, 3, 2, 1))(tokens)

    assert tokens.grid == (1, 1)
    assert tokens.mask.all()


def test_masked_values_are_zero_and_had_no_effect(stage):
    tokens = mixed()
    junk = tokens.with_values(torch.where(tokens.mask.unsqueeze(-1), tokens.values, 1e3))

    result, other = stage(tokens), stage(junk)

    assert result.values[~result.mask].eq(0).all()
    torch.testing.assert_close(result.values, other.values)


def test_a_full_row_gives_what_it_gives_alone(stage):
    tokens = mixed()
    alone = Tokens.of(tokens.values[:1], grid=tokens.grid)

    torch.testing.assert_close(stage(tokens).values[:1], stage(alone).values)
    assert stage(alone).dense
    assert stage(alone).flat


def test_a_row_padded_on_the_right_and_below_keeps_its_part():
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, :3, :4] = True
    tokens = Tokens.of(torch.randn(1, SIDE * SIDE, WIDTH), mask.flatten(1), grid=(SIDE, SIDE))

    result = GridStage(nn.Conv2d(WIDTH, 4, 2, 2))(tokens)

    assert result.mask.view(3, 3).tolist() == [[True, True, False], [True, True, False], [False, False, False]]


def test_sound_may_lie_on_one_axis():
    tokens = Tokens.of(torch.randn(2, 8, WIDTH), grid=(8,))

    assert GridStage(nn.Conv1d(WIDTH, 5, 3, 2, 1))(tokens).values.shape == (2, 4, 5)


def test_a_dense_grid_is_seen_as_a_picture_and_back_without_a_copy():
    tokens = Tokens.of(torch.randn(2, SIDE * SIDE, WIDTH), grid=(SIDE, SIDE))
    picture = to_picture(tokens)
    back = from_picture(picture, tokens)

    assert picture.is_contiguous(memory_format=torch.channels_last)
    assert picture.data_ptr() == tokens.values.data_ptr() == back.values.data_ptr()
    assert back.mask.data_ptr() == tokens.mask.data_ptr()
    torch.testing.assert_close(picture[1, 2, 4, 5], tokens.values[1, 4 * SIDE + 5, 2])


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (4, 4), (7, 4), (1, 1), (2, 2)])
def test_same_padding_gives_size_over_stride(kernel, stride):
    conv = nn.Conv2d(1, 1, kernel, stride, same_padding(kernel, stride))

    assert conv(torch.zeros(1, 1, 64, 64)).shape[2] == 64 // stride
