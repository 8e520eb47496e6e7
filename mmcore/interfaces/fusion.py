"""A fusion: drives the runs of all fields and says what comes out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from mmcore.errors import BuildError, listing
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens

Streams = dict[str, Tokens]
"""Tokens by stream name: what a fusion returns and a task reads."""

Tap = Literal["end", "between"]
"""Where a fusion looks at a run: when it has finished, or between its stages too."""


@dataclass(frozen=True)
class Port:
    """What a fusion knows of a run when it is built."""

    widths: tuple[int, ...]
    """D after `embed` and after each stage."""
    elastic: bool = False
    """Tokens may be inserted before its stages."""

    @property
    def depth(self) -> int:
        """How many stages the run has."""
        return len(self.widths) - 1

    @property
    def width(self) -> int:
        """D when the run has finished."""
        return self.widths[-1]


class Fusion(nn.Module, ABC):
    """Lets runs go on, together or one after another, and returns streams.

    Layer-wise, late and early fusion differ only in when the fusion lets the runs advance. Settings are keyword
    arguments after `ports`; walk `sorted(ports)` so that the order of keys in YAML cannot change the model.
    An absent sample must be treated as if the field did not exist: finite everywhere, gradients too, its filler without
    effect, and no constant in its place, such as the bias of a layer that sees only zeros. A stream `joint` is absent
    where every field is.
    """

    writes: Mapping[str, int]
    """The streams it returns, with their widths."""
    taps: Mapping[str, Tap]
    """For each run, where it is looked at; "end" allows cached features."""
    looks_ahead: Collection[str] = frozenset()
    """Fields whose earlier tokens learn of later ones, through the tokens of other fields: they cannot be written. All
    other causal fields stay causal, and their tokens are the same whether later ones are there or not."""
    streaming: bool = False
    """Text can be written token by token: only the new tokens of the written field are walked, what came before lives
    in its run's memory, and the other runs come finished. False: each new token walks the whole text again. The written
    field's stream is then that of the new tokens; what else the fusion returns means nothing in such a step."""

    def __init__(self, ports: Mapping[str, Port]) -> None:
        """ports: by field name. Raises BuildError where these ports cannot be fused in this way."""
        super().__init__()
        if not ports:
            raise BuildError("a fusion needs at least one field that has an encoder.")
        self.taps = dict.fromkeys(sorted(ports), "end")

    @abstractmethod
    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Finish every run, in whatever way, and return the streams named in `writes`."""


FusionMaker = Callable[[Mapping[str, Port]], Fusion]
"""A fusion within a fusion, as its constructor gets it: `Annotated[FusionMaker, PluginOf("fusion")]`."""


class LateFusion(Fusion):
    """Lets every run finish first; a subclass writes `combine` alone and adds to `writes` what it returns."""

    streaming = True

    def __init__(self, ports: Mapping[str, Port]) -> None:
        super().__init__(ports)
        self.writes = {name: ports[name].width for name in sorted(ports)}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every finished run as a stream of its own, and what `combine` adds."""
        ends = {name: runs[name].finish() for name in sorted(runs)}
        return {**ends, **self.combine(ends)}

    @abstractmethod
    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """The finished runs by field name -> the streams to add."""


def need_port(ports: Mapping[str, Port], name: str, setting: str) -> Port:
    """The port that a setting names. Raises BuildError that lists the fields there are."""
    if name not in ports:
        raise BuildError(
            f"fusion.{setting} names the field {name!r}, which has no encoder. Fields with one: {listing(ports)}."
        )
    return ports[name]
