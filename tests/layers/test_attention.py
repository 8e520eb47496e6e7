"""Attention: who sees whom, and nothing else."""

# B = samples of a batch, N = tokens of a sample, D = width

from dataclasses import replace

import pytest
import torch

from mmcore.errors import ConfigError
from mmcore.interfaces.cache import ROOM, StageCache
from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.attention import Attention
from mmcore.layers.block import Block

B, N, D = 4, 6, 8


@pytest.fixture(params=[False, True], ids=["plain", "rotary"])
def attention(request) -> Attention:
    torch.manual_seed(0)
    return Attention(D, 2, rotary=request.param).eval()


def ragged(seed: int = 0) -> Tokens:
    """Rows of 6, 3, 1 and 0 real tokens, with a hole in the first."""
    torch.manual_seed(seed)
    mask = torch.arange(N) < torch.tensor([6, 3, 1, 0]).unsqueeze(1)
    mask[0, 2] = False
    return Tokens.of(torch.randn(B, N, D), mask)


def causal(values: torch.Tensor, mask: torch.Tensor | None = None, start: int = 0) -> Tokens:
    order = torch.arange(1, values.shape[1] + 1).expand(values.shape[:2]) + start
    return Tokens.of(values, mask, order=order, causal=True)


def test_a_query_with_nothing_to_see_gets_exactly_zero(attention):
    found = attention(ragged())

    assert found[3].eq(0).all()
    assert found[0].ne(0).any()


def test_a_query_before_every_real_token_gets_exactly_zero(attention):
    mask = torch.ones(B, N, dtype=torch.bool)
    mask[:, 0] = False

    assert attention(causal(torch.randn(B, N, D), mask))[:, 0].eq(0).all()


def test_gradients_are_finite_where_nothing_can_be_seen(attention):
    tokens = ragged()
    values = tokens.values.clone().requires_grad_()

    attention(tokens.with_values(values)).sum().backward()

    assert values.grad.isfinite().all()


def test_what_is_masked_has_no_effect(attention):
    tokens = ragged()
    junk = torch.where(tokens.mask.unsqueeze(-1), tokens.values, 1e3)

    found, other = attention(tokens), attention(tokens.with_values(junk))

    torch.testing.assert_close(found[tokens.mask], other[tokens.mask])


def test_more_padding_has_no_effect(attention):
    tokens = ragged()
    longer = join([tokens, Tokens.of(torch.randn(B, 3, D), torch.zeros(B, 3, dtype=torch.bool))])

    torch.testing.assert_close(attention(longer)[:, :N][tokens.mask], attention(tokens)[tokens.mask])


@pytest.mark.parametrize("make", [Tokens.of, causal], ids=["both ways", "causal"])
def test_the_fast_path_and_the_explicit_rule_agree(attention, make):
    tokens = make(torch.randn(B, N, D))
    explicit = replace(tokens, dense=False, flat=False, causal=False)

    torch.testing.assert_close(attention(tokens), attention(explicit))


def test_nobody_sees_a_later_order(attention):
    values = torch.randn(B, N, D)
    changed = values.clone()
    changed[:, 4] += 1

    before, after = attention(causal(values)), attention(causal(changed))

    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax(-1).gt(1e-6).all()


def test_a_prefix_is_seen_by_all_and_sees_only_itself(attention):
    prefix, text = Tokens.of(torch.randn(B, 2, D)), torch.randn(B, N, D)
    tokens = join([prefix, causal(text)])
    new_text = join([prefix, causal(text + 1)])
    new_prefix = join([prefix.with_values(prefix.values + 1), causal(text)])

    torch.testing.assert_close(attention(tokens)[:, :2], attention(new_text)[:, :2])
    assert (attention(tokens) - attention(new_prefix)).abs().amax(-1).gt(1e-6).all()


def test_across_fields_only_the_mask_counts():
    attention = Attention(D, 2, width_key=5).eval()
    query = causal(torch.randn(B, N, D))
    key = Tokens.of(torch.randn(B, 3, 5), torch.tensor([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]).bool())
    later = replace(key, order=key.order + 100, flat=False)

    found = attention(query, key)

    torch.testing.assert_close(found, attention(query, later))
    assert found[3].eq(0).all()


@pytest.mark.parametrize("cut", [1, 3])
def test_what_is_remembered_gives_what_seeing_all_gives(attention, cut):
    tokens = causal(torch.randn(B, N, D), torch.arange(N) < torch.tensor([6, 6, 5, 0]).unsqueeze(1))
    cache = StageCache()

    first = attention(tokens.cut(0, cut), cache=cache)
    steps = [attention(tokens.cut(n, n + 1), cache=cache) for n in range(cut, N)]

    whole = attention(tokens)
    torch.testing.assert_close(torch.cat([first, *steps], 1)[tokens.mask], whole[tokens.mask])
    assert {len(part) for part in cache.values()} == {B}


@torch.inference_mode()
def test_a_token_is_put_behind_those_that_are_remembered(attention):
    """They are copied once in so many tokens, not at each; some end on the way, and others go on by themselves."""
    length = 2 * ROOM
    mask = torch.arange(length) < torch.tensor([length, length, ROOM, length]).unsqueeze(1)
    tokens = causal(torch.randn(B, length, D), mask)
    cache, places, found = StageCache(), set(), []

    for n in range(length):
        step = tokens.cut(n, n + 1)
        dense = bool(step.mask.all())
        found.append(attention(replace(step, dense=dense), cache=cache))
        places.add(cache["keys"].data_ptr())

    torch.testing.assert_close(torch.cat(found, 1)[mask], attention(tokens)[mask])
    assert len(places) == 3, "the first token's own, and twice some with room behind"


def test_prompts_of_unequal_length_go_on_where_they_end():
    """A padded prompt leaves masked tokens in the cache; places count real tokens alone."""
    attention = Attention(D, 2, rotary=True).eval()
    values, new = torch.randn(1, 4, D), torch.randn(1, 1, D)
    padded = causal(torch.cat([values[:, :2], torch.zeros(1, 2, D)], 1), torch.tensor([[True, True, False, False]]))
    cache, other = StageCache(), StageCache()
    attention(padded, cache=cache)
    attention(causal(values[:, :2]), cache=other)

    found = attention(causal(new, start=2), cache=cache)

    torch.testing.assert_close(found, attention(causal(new, start=2), cache=other))


def test_rotary_places_are_relative():
    attention = Attention(D, 2, rotary=True).eval()
    text = torch.randn(1, N, D)
    lead = Tokens.of(torch.randn(1, 3, D), torch.zeros(1, 3, dtype=torch.bool))

    torch.testing.assert_close(attention(join([lead, Tokens.of(text)]))[:, 3:], attention(Tokens.of(text)))
    assert not torch.allclose(attention(Tokens.of(text)), attention(Tokens.of(text.flip(1))).flip(1), atol=1e-5)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="a width of 10 cannot be dealt to 4 heads"):
        Attention(10, 4)
    with pytest.raises(ConfigError, match="in pairs"):
        Attention(6, 2, rotary=True)


def test_a_block_keeps_the_layout_and_absent_rows_stay_finite():
    tokens = ragged()

    result = Block(D, 2, dropout=0.1, last=True)(tokens)

    assert result.mask is tokens.mask
    assert result.values.isfinite().all()
