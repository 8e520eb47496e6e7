"""Blocks of a vision transformer as stages."""

# B = samples of a batch, N = tokens of a sample, D = width

from typing import Any, TypeGuard

from timm.layers.attention import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens

PARTS = {"qkv", "q_norm", "k_norm", "attn_drop", "norm", "gate", "proj", "proj_drop"}
"""Of an attention layer that `_looks` walks through."""


class BlockStage(Stage):
    """A block; it looks at masked tokens too, so they are made zero first."""

    def __init__(self, block: nn.Module, norm: nn.Module) -> None:
        """norm: what follows the last block."""
        super().__init__()
        self.block = block
        self.norm = norm

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D]."""
        return tokens.with_values(self.norm(self.block(tokens.zeroed().values))).zeroed()


class ClassToken(Stage):
    """The last block, of which the class token alone is read.

    What it would make of the other tokens nobody looks at: they are keys and values here and go no further. The outcome
    is the same; the block takes a sixth of the operations.
    """

    def __init__(self, stage: BlockStage, norm: nn.Module) -> None:
        """norm: what follows."""
        super().__init__()
        self.stage = stage
        self.norm = norm

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,1,D]."""
        block, values = self.stage.block, tokens.zeroed().values
        found = _first(block, values) if _is_known(block) else block(values)[:, :1]
        return Tokens.single(self.norm(self.stage.norm(found))[:, 0], None if tokens.dense else tokens.present)


def _is_known(block: nn.Module) -> TypeGuard[Block]:
    """Whether each part is as timm has it: some models have other blocks, and adapters other layers."""
    if type(block) is not Block or type(block.attn) is not Attention or type(block.attn.qkv) is not nn.Linear:
        return False
    return PARTS.issuperset(name for name, _ in block.attn.named_children())


def _first(block: Block, values: Tensor) -> Tensor:
    """[B,N,D] -> [B,1,D]: the first token behind the block."""
    first = values[:, :1] + block.drop_path1(block.ls1(_looks(block.attn, block.norm1(values))))
    result: Tensor = first + block.drop_path2(block.ls2(block.mlp(block.norm2(first))))
    return result


def _looks(attention: Any, values: Tensor) -> Tensor:
    """[B,N,D] -> [B,1,D]: what the first token finds among all."""
    width = attention.qkv.out_features // 3
    sizes = [width, 2 * width]
    lead, bias = values[:, :1], attention.qkv.bias
    weights = attention.qkv.weight.split(sizes)
    biases = [None, None] if bias is None else bias.split(sizes)
    both = linear(values, weights[1], biases[1])
    query, key, value = (
        part.view(*part.shape[:2], attention.num_heads, -1).transpose(1, 2)
        for part in (linear(lead, weights[0], biases[0]), *both.chunk(2, -1))
    )
    dropout = attention.attn_drop.p if attention.training else 0.0
    found = scaled_dot_product_attention(attention.q_norm(query), attention.k_norm(key), value, dropout_p=dropout)
    found = attention.norm(found.transpose(1, 2).flatten(2))
    gate = getattr(attention, "gate", None)  # of timm from 1.0.28 on
    if gate is not None:
        found = found * gate(lead).sigmoid()
    result: Tensor = attention.proj_drop(attention.proj(found))
    return result
