"""The last block of a vision transformer whose class token alone is read."""

import pytest
import torch
from mm_image.blocks import BlockStage, ClassToken
from timm.layers import Attention, LayerNorm
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from mmcore.interfaces.tokens import Tokens

BLOCKS = {
    "plain": {"qkv_bias": True},
    "without biases": {"proj_bias": False},
    "scaled layers": {"init_values": 0.3, "qkv_bias": True},
    "queries and keys normalised": {"qk_norm": True, "scale_attn_norm": True, "scale_mlp_norm": True},
}


def block_of(settings: dict) -> Block:
    torch.manual_seed(0)
    return Block(16, 4, norm_layer=LayerNorm, **settings)


def gated() -> Block:
    block = block_of({})
    block.attn = Attention(16, 4, gated=True)
    return block


class Doubled(nn.Linear):
    """What an adapter may put in place of a layer."""

    def forward(self, values: Tensor) -> Tensor:
        return 2 * super().forward(values)


def adapted() -> Block:
    block = block_of({})
    block.attn.qkv = Doubled(16, 48)
    return block


def outcome(stage: nn.Module, tokens: Tokens) -> tuple[Tensor, list[Tensor | None]]:
    """The first token, and the gradient of every parameter."""
    found = stage(tokens).values[:, 0]
    found.square().sum().backward()
    gradients = [parameter.grad for parameter in stage.parameters()]
    for parameter in stage.parameters():
        parameter.grad = None
    return found, gradients


@pytest.mark.parametrize("make", [*(lambda s=s: block_of(s) for s in BLOCKS.values()), gated, adapted],
                         ids=[*BLOCKS, "gated", "adapted"])  # fmt: skip
def test_the_class_token_is_what_the_whole_block_makes_of_it(make):
    """So is every gradient, to the rounding of another order of sums."""
    whole = BlockStage(make(), nn.LayerNorm(16))
    tokens = Tokens.of(torch.randn(3, 7, 16), torch.tensor([[True] * 7, [False] * 7, [True] * 7]))

    expected, slopes = outcome(whole, tokens)
    found, same = outcome(ClassToken(whole, nn.Identity()), tokens)

    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(same, slopes, rtol=1e-4, atol=1e-5)
    assert not found[1].any(), "nobody is there"


def test_other_tokens_go_no_further_than_keys_and_values():
    seen = list[int]()
    block = block_of({"qkv_bias": True})
    block.mlp.register_forward_hook(lambda module, given, out: seen.append(out.shape[1]))

    ClassToken(BlockStage(block, nn.Identity()), nn.Identity())(Tokens.of(torch.randn(3, 7, 16)))

    assert seen == [1]
