"""Convolution stages carry absence through a shrinking grid, and copy nothing that need not be copied."""

import pytest
import torch
from torch import nn
from torch.nn import functional

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


LENGTHS = (2, 3, 4)


def ragged(frames: int) -> Tokens:
    """Rows of LENGTHS real cells on one axis, padded to so many."""
    values = torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(frames) < torch.tensor(LENGTHS).unsqueeze(1)
    return Tokens.of(functional.pad(values, (0, 0, 0, frames - 4), value=9.0), mask, grid=(frames,))


@pytest.mark.parametrize("frames", [5, 6, 7, 8])
@pytest.mark.parametrize(("strides", "left"), [((2,), [1, 2, 2]), ((3,), [1, 1, 2]), ((2, 2), [1, 1, 1])])
def test_how_far_a_ragged_row_is_padded_changes_nothing(frames, strides, left):
    torch.manual_seed(0)
    result, unpadded = ragged(frames), ragged(4)
    for stride in strides:
        stage = GridStage(nn.Sequential(nn.Conv1d(WIDTH, WIDTH, 5, stride, 2), nn.ReLU()))
        result, unpadded = stage(result), stage(unpadded)

    assert result.mask.sum(1).tolist() == left
    torch.testing.assert_close(result.values[result.mask], unpadded.values[unpadded.mask])


def test_a_stride_that_its_layers_do_not_tell_can_be_said():
    stage = GridStage(Inner(), stride=2)
    assert [stage(ragged(frames)).mask.sum(1).tolist() for frames in (5, 6, 7, 8)] == [[1, 2, 2]] * 4


class Inner(nn.Module):
    """Not one layer after another, for all that one can know."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv1d(WIDTH, WIDTH, 3, 2, 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.inner(picture)


def test_ragged_rows_are_refused_where_the_stride_is_not_known():
    with pytest.raises(AssertionError, match=r"axis 0, where 6 cells became 3.* Tell the network's stride"):
        GridStage(Inner())(ragged(6))


@pytest.mark.parametrize(("kernel", "padding"), [(2, 0), (7, 2)])
def test_ragged_rows_are_refused_where_cells_would_be_left_over(kernel, padding):
    with pytest.raises(AssertionError, match=r"With a stride of \d it must be \d: pad the field to a multiple"):
        GridStage(nn.Conv1d(WIDTH, 4, kernel, kernel // 2 + kernel % 2, padding))(ragged(5))


def test_cells_may_be_left_over_where_no_row_ends_in_them():
    mask = torch.ones(3, 7 * 5, dtype=torch.bool)
    mask[ABSENT] = False
    mask[BLANK, 1:] = False
    tokens = Tokens.of(torch.randn(3, 35, WIDTH), mask, grid=(7, 5))

    result = GridStage(nn.Conv2d(WIDTH, 4, 2, 2))(tokens)

    assert result.mask.sum(1).tolist() == [6, 0, 1]


def test_a_band_that_all_rows_have_may_be_heard_at_once():
    mask = (torch.arange(4) < torch.tensor([[2], [4]])).repeat_interleave(3, 1)
    tokens = Tokens.of(torch.randn(2, 12, WIDTH), mask, grid=(4, 3))

    result = GridStage(nn.Conv2d(WIDTH, 4, (3, 3), (2, 1), (1, 0)))(tokens)

    assert result.grid == (2, 1)
    assert result.mask.tolist() == [[True, False], [True, True]]


def test_a_stage_is_one_graph_where_samples_are_absent(stage):
    torch.testing.assert_close(torch.compile(stage, backend="eager", fullgraph=True)(mixed()).mask, stage(mixed()).mask)


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
