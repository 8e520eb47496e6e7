"""Recurrent stages step over holes, stop at the end of each row, and go on from there."""

import pytest
import torch

from mmcore.errors import ConfigError
from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.recurrent import RecurrentStage

B, N, D = 4, 6, 5
KINDS = pytest.mark.parametrize("kind", ["lstm", "gru"])
DIRECTIONS = pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])


def stage(kind: str, bidirectional: bool = False) -> RecurrentStage:
    torch.manual_seed(0)
    return RecurrentStage(D, 8, kind=kind, bidirectional=bidirectional).eval()


def ragged() -> Tokens:
    torch.manual_seed(1)
    mask = torch.arange(N) < torch.tensor([6, 4, 1, 0]).unsqueeze(1)
    return Tokens.of(torch.randn(B, N, D), mask)


@KINDS
@DIRECTIONS
def test_each_row_gives_what_it_gives_alone_and_unpadded(kind, bidirectional):
    tokens, layer = ragged(), stage(kind, bidirectional)

    result = layer(tokens)

    for row, length in enumerate([6, 4, 1]):
        alone = layer(Tokens.of(tokens.values[row : row + 1, :length]))
        torch.testing.assert_close(result.values[row, :length], alone.values[0])


@KINDS
@DIRECTIONS
def test_absent_rows_and_padding_give_zeros(kind, bidirectional):
    result = stage(kind, bidirectional)(ragged())

    assert result.values[~result.mask].eq(0).all()


@KINDS
@DIRECTIONS
def test_holes_are_stepped_over(kind, bidirectional):
    """An absent picture leaves a masked prefix before a question."""
    text, layer = ragged(), stage(kind, bidirectional)
    prefix = Tokens.of(torch.full((B, 2, D), 1e3), torch.tensor([[0, 0], [0, 1], [1, 0], [0, 0]]).bool())
    closed = Tokens.of(torch.cat([prefix.values[2:3, :1], text.values[2:3, :1]], 1))

    result = layer(join([prefix, text]))

    torch.testing.assert_close(result.values[0, 2:], layer(text).values[0])
    torch.testing.assert_close(result.values[2, [0, 2]], layer(closed).values[0])


@KINDS
def test_both_directions_reach_every_token(kind):
    tokens = ragged()
    changed = tokens.values.clone()
    changed[:, 0] += 1
    last = tokens.values.clone()
    last[0, 5] += 1
    layer = stage(kind, bidirectional=True)

    before = layer(tokens).values
    assert (before[0] - layer(tokens.with_values(changed)).values[0]).abs().amax(-1).gt(0).all()
    assert (before[0] - layer(tokens.with_values(last)).values[0]).abs().amax(-1).gt(0).all()


@KINDS
def test_going_on_from_a_cache_gives_what_reading_all_gives(kind):
    layer, values = stage(kind), torch.randn(B, N, D)
    lengths = torch.tensor([3, 2, 1, 0])
    start, new = torch.arange(3) < lengths.unsqueeze(1), torch.randn(B, 2, D)
    cache = {}
    layer(Tokens.of(values[:, :3], start), cache)

    found = [layer(Tokens.of(new[:, n : n + 1]), cache).values for n in range(2)]

    for row, length in enumerate(lengths):
        whole = layer(Tokens.of(torch.cat([values[row : row + 1, :length], new[row : row + 1]], 1)))
        torch.testing.assert_close(torch.cat(found, 1)[row], whole.values[0, length:])
    assert {part.shape for part in cache.values()} == {(B, 8)}


@KINDS
def test_a_row_that_gets_nothing_new_keeps_its_state(kind):
    layer, cache = stage(kind), {}
    layer(Tokens.of(torch.randn(2, 3, D)), cache)
    before = {name: part.clone() for name, part in cache.items()}

    layer(Tokens.of(torch.randn(2, 1, D), torch.tensor([[True], [False]])), cache)

    for name, part in cache.items():
        assert part[0].ne(before[name][0]).any()
        torch.testing.assert_close(part[1], before[name][1])


def test_an_odd_width_for_two_directions_is_refused():
    with pytest.raises(ConfigError, match="two directions share a width of 7"):
        RecurrentStage(4, 7, bidirectional=True)
