"""Two fusions, one after the other."""

from collections.abc import Mapping
from typing import Annotated

from torch import nn

from mmcore.errors import BuildError, listing
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, FusionMaker, LateFusion, Port, Streams
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import PluginOf
from mmcore.interfaces.tokens import Tokens


class Chain(Fusion):
    """streams = second(first(runs)): the first lets the fields advance, the second fuses what it returned.

    To the second, every stream of the first is a field that has finished, `joint` too. What both write, the second
    writes over; all other streams stay. So `film` and then `concat`, or `prefix` and then `perceiver` for a label.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        first: Annotated[FusionMaker, PluginOf("fusion")],
        second: Annotated[FusionMaker, PluginOf("fusion", among_fields=False)],
    ) -> None:
        """first, second: fusions; the second must look at finished fields alone.

        Raises BuildError where it looks between stages.
        """
        super().__init__(ports)
        self.first = first(ports)
        self.second = second({name: ports.get(name, Port((width,))) for name, width in self.first.writes.items()})
        between = [name for name, tap in self.second.taps.items() if tap == "between"]
        if between:
            raise BuildError(
                f"fusion.second, {type(self.second).__name__}, looks between the stages of {listing(between)}, but "
                "after fusion.first every field has finished. Swap them, or choose another second (concat, perceiver)."
            )
        self.given = _Given()
        self.taps = dict(self.first.taps)
        self.writes = {**self.first.writes, **self.second.writes}
        self.streaming = self.first.streaming and self.second.streaming
        # What the first adds (joint) may know the whole text; a LateFusion leaves the text as it is, others may not.
        blind = set(self.first.writes) <= set(ports) or isinstance(self.second, LateFusion)
        ahead = {*self.first.looks_ahead, *self.second.looks_ahead} if blind else set(ports)
        self.looks_ahead = frozenset(ahead & set(ports))

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """The streams of both."""
        streams = self.first(runs)
        decoding = {name: run.decoding for name, run in runs.items()}
        given = {
            name: Run(
                name,
                runs[name].encoder if name in runs else self.given,
                tokens=tokens,
                decoding=decoding.get(name, False),
                finished=True,
            )
            for name, tokens in streams.items()
        }
        return {**streams, **self.second(given)}


class _Given(Encoder):
    """Stands for the encoder of a stream that has none."""

    def __init__(self) -> None:
        super().__init__({})
        self.widths, self.stages = (), nn.ModuleList()

    def embed(self, field: Field, start: object = 0) -> Tokens:
        """Never called: the stream is there."""
        raise NotImplementedError
