"""What is special about the fusions of finished fields: gates, products, lengths, latents."""

import pytest
import torch
from mm_fusion.convsum import ConvSum, shares
from mm_fusion.gated import Gated
from mm_fusion.lowrank import LowRank
from mm_fusion.perceiver import Perceiver
from torch.nn.functional import adaptive_avg_pool1d

from mmcore.errors import ConfigError
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.reach import shake

PORTS = {"image": Port((4, 6, 5)), "question": Port((5, 5), elastic=True)}


def both(*, image=None, question=None):
    """A vector for each field as streams, [B,D]; None: absent."""
    found = {"image": image, "question": question}
    samples = next(len(vector) for vector in found.values() if vector is not None)
    gone = torch.zeros(samples, dtype=torch.bool)
    return {
        name: Tokens.single(torch.zeros(samples, 5), gone) if vector is None else Tokens.single(vector)
        for name, vector in found.items()
    }


def test_a_gate_says_how_much_of_each_number_counts():
    fusion, image, question = Gated(PORTS, width=3), torch.randn(2, 5), torch.randn(2, 5)
    one, other = fusion.project[0](image), fusion.project[1](question)
    gates = torch.sigmoid(fusion.gate(torch.cat([one, other], 1)))
    expected = gates[:, :3] * torch.tanh(one) + gates[:, 3:] * torch.tanh(other)

    torch.testing.assert_close(fusion.combine(both(image=image, question=question))["joint"].values[:, 0], expected)


def test_the_gate_of_an_absent_field_lets_nothing_through():
    fusion, image = Gated(PORTS, width=3), torch.randn(2, 5)
    one = fusion.project[0](image)
    gates = torch.sigmoid(fusion.gate(torch.cat([one, torch.zeros(2, 3)], 1)))

    joint = fusion.combine(both(image=image))["joint"].values[:, 0]

    torch.testing.assert_close(joint, gates[:, :3] * torch.tanh(one))


def test_lowrank_at_full_rank_is_tensor_fusion():
    tensor, width = torch.randn(6, 6, 3), 3  # [image + 1, question + 1, joint]
    fusion = LowRank(PORTS, width=width, rank=6)
    with torch.no_grad():
        # One rank for each number of the image (and the 1): it picks the number, the question's factor does the rest.
        picks = torch.eye(6).unsqueeze(1).expand(6, width, 6).reshape(6 * width, 6)
        rest = tensor.transpose(1, 2).reshape(6 * width, 6)
        for layer, factor in zip(fusion.project, (picks, rest), strict=True):
            layer.weight.copy_(factor[:, :5])
            layer.bias.copy_(factor[:, 5])
        fusion.share.fill_(1)
    image, question = torch.randn(2, 5), torch.randn(2, 5)

    joint = fusion.combine(both(image=image, question=question))["joint"].values[:, 0]

    one, other = (torch.cat([vector, torch.ones(2, 1)], 1) for vector in (image, question))
    torch.testing.assert_close(joint, torch.einsum("bi,bj,ijd->bd", one, other, tensor))


def test_an_absent_field_is_the_neutral_factor_of_lowrank():
    image = torch.randn(2, 5)
    fusion = LowRank(PORTS, width=3, rank=2)
    alone = LowRank({"image": PORTS["image"]}, width=3, rank=2)
    alone.load_state_dict({name: value for name, value in fusion.state_dict().items() if "project.1" not in name})

    joint = fusion.combine(both(image=image))["joint"]

    torch.testing.assert_close(joint.values, alone.combine({"image": Tokens.single(image)})["joint"].values)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_convsum_takes_spans_as_adaptive_pooling_does(count):
    tokens = Tokens.of(torch.randn(2, count, 5))

    found = shares(tokens, 4) @ tokens.values

    torch.testing.assert_close(found, adaptive_avg_pool1d(tokens.values.transpose(1, 2), 4).transpose(1, 2))


def test_convsum_shares_out_the_real_length():
    values, mask = torch.randn(2, 6, 5), torch.arange(6) < torch.tensor([[6], [3]])

    found = shares(Tokens.of(values, mask), 3) @ values

    torch.testing.assert_close(found[1], values[1, :3])


def test_convsum_adds_what_stands_at_the_same_share_of_its_row():
    fusion = ConvSum(PORTS, width=3, length=2, kernel=1)
    image, question = torch.randn(1, 4, 5), torch.randn(1, 2, 5)
    one, other = (
        layer(x.transpose(1, 2)).transpose(1, 2) for layer, x in zip(fusion.convolve, (image, question), strict=True)
    )
    expected = torch.stack([one[:, :2].mean(1), one[:, 2:].mean(1)], 1) + other

    joint = fusion.combine({"image": Tokens.of(image), "question": Tokens.of(question)})["joint"]

    torch.testing.assert_close(joint.values, expected)


def test_convsum_refuses_a_kernel_without_a_middle():
    with pytest.raises(ConfigError, match=r"fusion.kernel must be odd.* but got 4"):
        ConvSum(PORTS, kernel=4)


def test_latents_know_where_tokens_stand_and_not_how_far_a_batch_is_padded():
    fusion = Perceiver({"question": PORTS["question"]}, width=8, latents=3, heads=2).eval()
    values, mask = torch.randn(1, 6, 5), torch.arange(6).unsqueeze(0) < 4
    whole, padded, turned = (
        fusion.combine({"question": tokens})["joint"].values
        for tokens in (Tokens.of(values[:, :4]), Tokens.of(values, mask), Tokens.of(values[:, :4].flip(1)))
    )

    torch.testing.assert_close(whole, padded)
    assert not torch.allclose(whole, turned, atol=1e-3)


def test_latents_know_whose_tokens_they_look_at():
    ports = {"left": Port((5,)), "right": Port((5,))}
    fusion = Perceiver(ports, width=8, latents=3, heads=2).eval()
    shake(fusion, size=0.3)
    fusion.together.project[1].load_state_dict(fusion.together.project[0].state_dict())
    one, other = torch.randn(1, 4, 5), torch.randn(1, 4, 5)

    straight = fusion.combine({"left": Tokens.of(one), "right": Tokens.of(other)})["joint"]
    swapped = fusion.combine({"left": Tokens.of(other), "right": Tokens.of(one)})["joint"]

    assert not torch.allclose(straight.values, swapped.values, atol=1e-3)


@pytest.mark.parametrize("kind", [Gated, LowRank, ConvSum, Perceiver])
def test_what_is_known_to_be_there_is_not_asked_for(kind):
    fusion = kind(PORTS).eval()
    streams = both(image=torch.randn(2, 5))
    assert fusion.combine(streams)["joint"].dense
