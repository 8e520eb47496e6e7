"""A run: one encoder walking one field; what a fusion holds in its hands."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self, TypeVar

import torch
from torch import Tensor, nn

from mmcore.errors import BuildError
from mmcore.interfaces.encoder import Encoder, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.norms import few_rows
from mmcore.interfaces.tokens import Tokens, join

Rows = TypeVar("Rows", Field, Tokens)


def through(walk: Callable[[Rows], Tokens], given: Rows, rows: Tensor | None, *, norms: nn.Module | None) -> Tokens:
    """`walk` over the samples in `rows` alone (None: all); the others come out absent and zero.

    Rows that are absent must not reach batch statistics. Where no row is left one goes through all the same, so that
    every parameter takes part in every step (other processes wait for its gradient), and is masked afterwards.
    norms: what is walked, where it looks at the whole batch; statistics that it keeps are spared that row.
    """

    def spared(real: int) -> AbstractContextManager[None]:
        return nullcontext() if norms is None else few_rows(norms, real=real)

    size = len(given.values)
    if rows is None:
        with spared(size):
            return walk(given)
    some = rows if len(rows) else rows.new_zeros(1)
    with spared(len(rows)):
        part = walk(given.pick(some))
    return _scatter(part, some, size=size, keep=len(rows) > 0)


def _scatter(part: Tokens, rows: Tensor, *, size: int, keep: bool) -> Tokens:
    """Tokens of the samples `rows` put back among `size` samples, the others absent (all unless `keep`)."""
    values = part.values.new_zeros(size, *part.values.shape[1:])
    mask, order = part.mask.new_zeros(size, part.length), part.order.new_zeros(size, part.length)
    weight = 1.0 if keep else 0.0
    return replace(
        part,
        values=values.index_copy(0, rows, part.values * weight),
        mask=mask.index_copy(0, rows, part.mask & keep),
        order=order.index_copy(0, rows, part.order),
        dense=False,
    )


@dataclass
class Memory:
    """What a run keeps from one written token to the next; owned by the run, batch-first throughout."""

    stages: list[StageCache]
    kept: dict[str, Tokens] = field(default_factory=dict)

    _untouched: frozenset[str] = frozenset()
    """Names in `kept` that were there at the last `pick`."""

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        """An empty memory for each stage of `encoder`."""
        return cls([StageCache() for _ in range(encoder.depth)])

    def pick(self, rows: Tensor) -> Self:
        """The memory of the samples in `rows`, in that order: one that is written on in several ways."""
        kept = {key: value.pick(rows) for key, value in self.kept.items()}
        stages = [stage.pick(rows) for stage in self.stages]
        return replace(self, stages=stages, kept=kept, _untouched=frozenset(kept))

    def swap(self, rows: Tensor) -> None:
        """In place, as StageCache.swap: beams that live on, each in the place of one of the same sample."""
        for stage in self.stages:
            stage.swap(rows)
        for key in self.kept.keys() - self._untouched:
            self.kept[key] = self.kept[key].pick(rows)


class Run:
    """One field on its way through its encoder.

    Between stages a fusion may read and replace the field's `own` tokens, put foreign ones in front (`prepend`, seen
    by all) or behind (`append`, which see all), and read those back as `guests`. A run that starts finished (cached
    features) has nothing left to advance.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        *,
        tokens: Tokens,
        memory: Memory | None = None,
        decoding: bool = False,
        finished: bool = False,
        rows: Tensor | None = None,
    ) -> None:
        """tokens: as embedded, or, where `finished`, as they came from the last stage.

        memory: where stages keep what later tokens need; None where nothing is written.
        rows: index of the samples that go through the stages, the others staying absent; None: all of them do.
        decoding: True where earlier tokens of these samples went through before and live on in `memory`.
        """
        self.name = name
        self.encoder = encoder
        self.memory = memory
        self.decoding = decoding
        self.at = encoder.depth if finished else 0
        self._finished_from_start = finished
        self._rows = rows
        self._lead: list[Tokens] = []
        self._own = tokens
        self._tail: list[Tokens] = []

    @property
    def depth(self) -> int:
        """How many stages the encoder has."""
        return self.encoder.depth

    @property
    def own(self) -> Tokens:
        """The field's own tokens as they are now."""
        return self._own

    @own.setter
    def own(self, tokens: Tokens) -> None:
        self._own = tokens

    @property
    def guests(self) -> Tokens:
        """What `append` put behind, as it is now."""
        return join(self._tail)

    @guests.setter
    def guests(self, tokens: Tokens) -> None:
        self._tail = [tokens]

    def prepend(self, tokens: Tokens) -> None:
        """Put foreign tokens in front; every own token may see them. While decoding they are in the memory already."""
        self._need_elastic("prepend")
        if self.decoding:
            return
        lowest = self._own.order.amin(1, keepdim=True) - 1  # of its own: everything in front sees everything in front
        self._lead.insert(0, replace(tokens, order=lowest.expand_as(tokens.mask), grid=None, causal=False))

    def append(self, tokens: Tokens) -> None:
        """Put foreign tokens behind; they may see every own token, and own tokens of the same order may see them."""
        self._need_elastic("append")
        order = self._own.order
        real = torch.where(self._own.mask, order, order.amin(1, keepdim=True))  # padding stands behind, and is higher
        highest = real.amax(1, keepdim=True)
        self._tail.append(replace(tokens, order=highest.expand_as(tokens.mask), grid=None, causal=False))

    def advance(self, n: int = 1) -> Tokens:
        """Walk n stages on and return the own tokens.

        Raises BuildError where n is negative or fewer stages are left, which is so from the start for cached features.
        """
        if n < 0 or self.at + n > self.depth:
            cached = "its features are cached, so nothing can happen between its stages"
            why = cached if self._finished_from_start else f"it has {self.depth} stages"
            raise BuildError(f"the run of {self.name!r} cannot advance {n} from stage {self.at}: {why}.")
        if n:
            tokens = self._all()
            for index in range(self.at, self.at + n):
                cache = None if self.memory is None else self.memory.stages[index]
                stage = self.encoder.stages[index]
                norms = stage if self.encoder.batch_statistics else None
                tokens = through(partial(stage, cache=cache), tokens, self._rows, norms=norms)
            self._take(tokens)
            self.at += n
        return self.own

    def need_stages(self) -> None:
        """Raises BuildError for cached features: nothing can happen between stages that were walked before."""
        if self._finished_from_start and self.depth:
            raise BuildError(
                f"the features of {self.name!r} are cached, so nothing can happen between its stages. Set its features "
                "to off, or choose a fusion that looks at finished fields."
            )

    def finish(self) -> Tokens:
        """Walk the stages that are left, if any, and return the own tokens."""
        return self.advance(self.depth - self.at)

    def keep(self, key: str, make: Callable[[], Tokens]) -> Tokens:
        """What `make` gives, made once for a whole decode: a connector's output, the keys of cross-attention."""
        if self.memory is None:
            return make()
        if key not in self.memory.kept:
            self.memory.kept[key] = make()
        return self.memory.kept[key]

    def pick(self, rows: Tensor) -> None:
        """Go on with the samples in `rows`, in that order."""
        self._lead = [part.pick(rows) for part in self._lead]
        self._own = self._own.pick(rows)
        self._tail = [part.pick(rows) for part in self._tail]
        if self.memory is not None:
            self.memory = self.memory.pick(rows)

    def _all(self) -> Tokens:
        tokens = join([*self._lead, self._own, *self._tail])
        return replace(tokens, flat=True) if self._own.flat and not self._lead else tokens  # a tail is as high as own

    def _take(self, tokens: Tokens) -> None:
        """Deal a stage's output back to lead, own and tail by their lengths; only own may change its length alone."""
        if not self._lead and not self._tail:
            self._own = tokens
            return
        parts: list[Tokens] = []
        position = 0
        for part in [*self._lead, self._own, *self._tail]:
            parts.append(tokens.cut(position, position + part.length))
            position += part.length
        lead = len(self._lead)
        self._lead, self._own, self._tail = parts[:lead], parts[lead], parts[lead + 1 :]

    def _need_elastic(self, verb: str) -> None:
        self.need_stages()
        if not self.encoder.elastic:
            raise BuildError(
                f"cannot {verb} tokens to {self.name!r}: the stages of {type(self.encoder).__name__} have a fixed "
                "layout. Choose an encoder whose stages take inserted tokens (elastic), or another fusion."
            )
