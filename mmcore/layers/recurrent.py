"""A layer of an LSTM or GRU as a stage, over ragged rows with holes."""

# B = samples of a batch, N = tokens of a sample, D = width

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.positions import positions

Kind = Literal["lstm", "gru"]
KINDS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentStage(Stage):
    """Walks the real tokens of each row from left to right, and from right to left too where `bidirectional`.

    Each direction is a network of its own that reads the row turned round, so that nothing need be packed: measured
    for 128 questions of 6 to 12 tokens on one core, 7.6 ms a step for an LSTM of 2 x 64 against 13.3 ms packed, and
    9.3 against 11.2 ms for a GRU.
    """

    def __init__(
        self, width_in: int, width_out: int, *, kind: Kind = "lstm", bidirectional: bool = False, dropout: float = 0.0
    ) -> None:
        """width_out: D of both directions together. dropout: share of the incoming numbers dropped while training.

        Raises ConfigError where width_out cannot be halved for two directions.
        """
        super().__init__()
        if bidirectional and width_out % 2:
            raise ConfigError(f"two directions share a width of {width_out}: choose an even one.")
        width = width_out // 2 if bidirectional else width_out
        self.dropout = nn.Dropout(dropout)
        self.rightward = KINDS[kind](width_in, width, batch_first=True)
        self.leftward = KINDS[kind](width_in, width, batch_first=True) if bidirectional else None

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,width_in] -> [B,N,width_out], zero where masked; the cache holds the state as h and, for an LSTM, c."""
        assert cache is None or self.leftward is None, "what reads from both sides cannot go on writing"
        values = self.dropout(tokens.values)
        if cache is not None:
            return self._go_on(tokens, values, cache)
        if tokens.dense:
            right = self.rightward(values)[0]
            found = right if self.leftward is None else torch.cat([right, self.leftward(values.flip(1))[0].flip(1)], -1)
            return tokens.with_values(found)
        place = positions(tokens.mask)
        order = _real_first(tokens.mask)
        found = _rows(self.rightward(_rows(values, order))[0], place)
        if self.leftward is not None:
            end = (tokens.mask.sum(1, keepdim=True) - 1).clamp_min(0)  # where the last real token stands
            steps = torch.arange(tokens.length, device=end.device)
            turned = order.gather(1, torch.where(steps <= end, end - steps, steps))
            left = _rows(self.leftward(_rows(values, turned))[0], end - place)
            found = torch.cat([found, left], -1)
        return tokens.with_values(found).zeroed()

    def _go_on(self, tokens: Tokens, values: Tensor, cache: StageCache) -> Tokens:
        """Walk on from the state in the cache and leave there the state after each row's last real token."""
        before = self._state(cache, values)
        if tokens.dense or tokens.length == 1:
            found, after = self.rightward(values, before)
        else:  # rows end at different tokens: only a packed run tells the state at each end
            count = tokens.mask.sum(1).clamp_min(1).cpu()
            ragged = pack_padded_sequence(_rows(values, _real_first(tokens.mask)), count, True, enforce_sorted=False)
            packed, after = self.rightward(ragged, before)
            found = pad_packed_sequence(packed, batch_first=True, total_length=tokens.length)[0]
            found = _rows(found, positions(tokens.mask))
        moved = tokens.present.unsqueeze(1)
        for name, old, new in zip(("h", "c"), _both(before), _both(after), strict=False):
            cache[name] = torch.where(moved, new[0], old[0])
        return tokens.with_values(found).zeroed()

    def _state(self, cache: StageCache, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The cached state as the network wants it, with an axis for its one layer; zeros at the start."""
        blank = values.new_zeros(len(values), self.rightward.hidden_size)
        h = cache.get("h", blank).unsqueeze(0)
        return (h, cache.get("c", blank).unsqueeze(0)) if isinstance(self.rightward, nn.LSTM) else h


def _both(state: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _real_first(mask: Tensor) -> Tensor:
    """[B,N] long: the numbers of the real tokens in order, then those of the masked ones: holes close up."""
    return torch.sort(~mask, dim=1, stable=True).indices


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Of each row of [B,N,D] the tokens that `index` [B,M] names."""
    # As a look-up: the gradient of `gather`, in a fixed order, took a fifth of a small model's step on a GPU.
    starts = torch.arange(len(values), device=values.device).unsqueeze(1) * values.shape[1]
    return functional.embedding(starts + index, values.flatten(0, 1))
