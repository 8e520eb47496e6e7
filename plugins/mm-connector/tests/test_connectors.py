"""What is special about each connector."""

import pytest
import torch
from mm_connector.linear import LinearConnector
from mm_connector.mlp import MLPConnector
from mm_connector.pixel_shuffle import PixelShuffleConnector
from mm_connector.resampler import ResamplerConnector
from torch import nn

from mmcore.errors import BuildError, ConfigError
from mmcore.interfaces.tokens import Tokens


def picture(*grid: int, width: int = 1, samples: int = 1) -> Tokens:
    """Cells numbered from 1."""
    count = torch.Size(grid).numel()
    return Tokens.of(torch.arange(1.0, count + 1).view(1, -1, 1).expand(samples, -1, width), grid=grid)


def bare(factor: int, axes: int = 2) -> PixelShuffleConnector:
    """What stands before the dense layers."""
    made = PixelShuffleConnector(1, factor**axes, factor=factor, axes=axes, layers=1, norm=False)
    made.body = nn.Sequential()
    return made


@pytest.mark.parametrize("made", [LinearConnector(4, 6), MLPConnector(4, 6, layers=3)])
def test_dense_connectors_keep_grid_and_order(made):
    order = torch.arange(6).expand(2, 6)
    tokens = Tokens.of(torch.randn(2, 6, 4), order=order, grid=(2, 3), causal=True)
    found = made(tokens)
    assert found.grid == (2, 3)
    assert torch.equal(found.order, order)
    assert found.causal


def test_an_mlp_of_two_layers_is_that_of_llava():
    kinds = [type(layer) for layer in MLPConnector(4, 6).body]
    assert kinds == [nn.Linear, nn.GELU, nn.Linear]


def test_neighbouring_cells_stand_side_by_side():
    found = bare(2)(picture(4, 4))
    assert found.grid == (2, 2)
    assert found.values[0].tolist() == [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]


def test_pixel_shuffle_is_torchs_own_for_grids_that_fit():
    tokens = Tokens.of(torch.randn(2, 6 * 4, 3), grid=(6, 4))
    body = PixelShuffleConnector(3, 12, layers=1, norm=False)
    body.body = nn.Sequential()
    own = nn.functional.pixel_unshuffle(tokens.values.movedim(2, 1).unflatten(2, (6, 4)), 2)
    theirs = own.unflatten(1, (3, 4)).movedim(2, 1).flatten(1, 2).flatten(2).movedim(1, 2)
    assert torch.equal(body(tokens).values, theirs)


def test_odd_sides_are_filled_up_on_the_right_and_below():
    found = bare(2)(picture(3, 3))
    assert found.grid == (2, 2)
    assert found.values[0].tolist() == [[1, 2, 4, 5], [3, 0, 6, 0], [7, 8, 0, 0], [9, 0, 0, 0]]
    assert found.dense


def test_a_series_of_odd_length_is_filled_up_too():
    assert bare(2, axes=1)(picture(5)).values[0].tolist() == [[1, 2], [3, 4], [5, 0]]


def test_a_block_is_real_where_one_of_its_cells_is():
    mask = torch.tensor([[True, True, True, False, False, False]])
    tokens = Tokens.of(torch.ones(1, 6, 1), mask, grid=(6,))
    found = bare(2, axes=1)(tokens)
    assert found.mask.tolist() == [[True, True, False]]
    assert found.values[0].tolist() == [[1, 1], [1, 0], [0, 0]]


def test_a_block_of_causal_tokens_comes_as_late_as_its_last_cell():
    tokens = Tokens.of(torch.ones(1, 5, 1), order=torch.arange(1, 6).unsqueeze(0), grid=(5,), causal=True)
    found = bare(2, axes=1)(tokens)
    assert found.order.tolist() == [[2, 4, 5]]
    assert not found.causal


@pytest.mark.parametrize("tokens", [Tokens.of(torch.ones(1, 4, 1)), picture(4)])
def test_pixel_shuffle_without_a_fitting_grid_says_what_to_do(tokens):
    with pytest.raises(BuildError, match=r"grid of 2 axes.*mlp or resampler"):
        PixelShuffleConnector(1, 4)(tokens)


@pytest.mark.parametrize("length", [1, 3, 40])
def test_a_resampler_gives_as_many_tokens_whatever_comes_in(length):
    found = ResamplerConnector(5, 8, latents=6)(Tokens.of(torch.randn(2, length, 5)))
    assert found.values.shape == (2, 6, 8)
    assert found.dense


def test_a_resampler_does_not_mind_padding():
    made, values = ResamplerConnector(5, 8).eval(), torch.randn(2, 4, 5)
    padded = Tokens.of(torch.cat([values, torch.full((2, 3, 5), 99.0)], 1), torch.arange(7).expand(2, 7) < 4)
    torch.testing.assert_close(made(padded).values, made(Tokens.of(values)).values)


@pytest.mark.parametrize("grid", [None, (2, 3)])
def test_only_places_tell_a_resampler_the_order_of_tokens(grid):
    values = torch.randn(1, 6, 5)
    one, turned = Tokens.of(values, grid=grid), Tokens.of(values.flip(1), grid=grid)
    blind, seeing = ResamplerConnector(5, 8, place=False).eval(), ResamplerConnector(5, 8).eval()
    torch.testing.assert_close(blind(one).values, blind(turned).values)
    assert not torch.allclose(seeing(one).values, seeing(turned).values, atol=1e-4)


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ConfigError, match="10 cannot be dealt to 4 heads"):
        ResamplerConnector(5, 10)


def test_a_resampler_can_learn_to_find_one_token_among_many():
    torch.manual_seed(0)
    made, head = ResamplerConnector(4, 8, latents=2, heads=2, layers=1), nn.Linear(8, 1)
    values = torch.randn(64, 9, 4)
    marked = torch.randint(9, (64,))
    values[..., 0] = 0
    values[torch.arange(64), marked, 0] = 3
    truth = values[torch.arange(64), marked, 1]
    optimizer = torch.optim.Adam([*made.parameters(), *head.parameters()], lr=0.01)
    losses = []
    for _ in range(150):
        loss = (head(made(Tokens.of(values)).pool()).squeeze(1) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
