"""What is special about the encoder ngrams."""

import torch
from mm_text.ngrams import Ngrams

from mmcore.interfaces.field import Field

FACTS = {"vocabulary": 12, "pad": 0, "bos": 1, "eos": 2, "unknown": 3, "max_tokens": 16}


def mean(encoder: Ngrams, *ids: int, padding: int = 0) -> torch.Tensor:
    values = torch.tensor([[*ids, *[0] * padding]])
    mask = torch.arange(len(ids) + padding).unsqueeze(0) < len(ids)
    tokens = encoder.embed(Field(values, torch.ones(1, dtype=torch.bool), mask))
    return encoder.stages[0](tokens).pool()[0]


def test_the_order_of_words_counts_from_runs_of_two_on() -> None:
    alone, pairs = (Ngrams(FACTS, width=8, longest=longest).eval() for longest in (1, 2))
    assert torch.allclose(mean(alone, 4, 5, 6), mean(alone, 6, 5, 4))
    assert not torch.allclose(mean(pairs, 4, 5, 6), mean(pairs, 6, 5, 4))


def test_a_run_has_one_vector_wherever_it_stands() -> None:
    encoder = Ngrams(FACTS, width=8, longest=3).eval()
    sums = [len(ids) * mean(encoder, *ids) for ids in ((4, 5), (4,), (5,))]
    pair = sums[0] - sums[1] - sums[2]
    longer = [len(ids) * mean(encoder, *ids) for ids in ((7, 7, 4, 5), (7, 7, 4))]
    tokens = 1 * mean(encoder, 5)
    triple = longer[0] - longer[1] - tokens - pair  # what is left is the run 7 4 5
    assert triple.abs().max() > 1e-3
    other = 4 * mean(encoder, 9, 7, 4, 5) - 3 * mean(encoder, 9, 7, 4) - tokens - pair
    assert torch.allclose(triple, other, atol=1e-5)


def test_skipped_places_leave_the_mean_what_it_is() -> None:
    torch.manual_seed(0)
    encoder = Ngrams(FACTS, width=4, longest=1, skip=0.5)
    kept = encoder.eval()
    expected = mean(kept, 4, 5, 6, 7)
    encoder.train()
    found = torch.stack([mean(encoder, 4, 5, 6, 7) for _ in range(4000)])
    assert torch.allclose(found.mean(0), expected, atol=0.01)
    assert found.std(0).min() > 0.01
