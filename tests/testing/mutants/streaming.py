"""Broken fusions over a field that is written, and fusions broken in what they are made of."""

from typing import Annotated

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool1d

from mmcore.interfaces.connector import ConnectorMaker
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import PluginOf
from mmcore.interfaces.tokens import Tokens, join
from mmcore.testing.toys.fusion import ToyConcat, ToyPrefix
from tests.testing.contracts import ConcatContract, ConnectedContract, PrefixContract, RidersContract
from tests.testing.mutation import mutant
from tests.testing.parts import ToyConnected, ToyRiders

TOKEN_BY_TOKEN = "test_writing_token_by_token_gives_the_same"
AHEAD = "test_a_causal_stream_stays_causal"
NOT_YET_THERE = "test_a_causal_stream_is_the_same_while_later_tokens_are_not_there"


@mutant(PrefixContract, TOKEN_BY_TOKEN, saying="is what the first step kept forgotten")
class ForgetsWhatWasWritten(ToyPrefix):
    """A run of its own, without the memory."""

    def forward(self, runs):
        run = runs[self.into]
        return super().forward({**runs, self.into: Run(run.name, run.encoder, tokens=run.own, decoding=run.decoding)})


@mutant(PrefixContract, TOKEN_BY_TOKEN, saying="put in front a second time")
class PrependsAgain(ToyPrefix):
    """Puts what leads into the text's own tokens, at every step."""

    def forward(self, runs):
        run, length = runs[self.into], runs[self.into].own.length
        for name, layer in zip(self.others, self.connect, strict=True):
            tokens = runs[name].finish()
            leading = Tokens.single(layer(tokens.pool()), tokens.present)
            run.own = join([leading, run.own])
        ends = {name: runs[name].finish() for name in sorted(runs)}
        return {**ends, self.into: ends[self.into].cut(ends[self.into].length - length, ends[self.into].length)}


@mutant(PrefixContract, "test_writing_goes_on_after_picking_rows", saying="keep what lasts with run.keep")
class KeepsOnTheFusion(ToyPrefix):
    """Adds the other fields to each token, as the first step saw them."""

    def forward(self, runs):
        run = runs[self.into]
        if not run.decoding:
            self.seen = sum(
                layer(runs[name].finish().pool()) for name, layer in zip(self.others, self.connect, strict=True)
            )
        run.own = run.own.with_values(run.own.values + self.seen.unsqueeze(1)).zeroed()
        return {name: runs[name].finish() for name in sorted(runs)}


@mutant(PrefixContract, AHEAD, saying="does the text look at it in turn")
class FutureLeaksThroughTheOtherRun(ToyPrefix):
    """What leads the text has seen the text."""

    def forward(self, runs):
        run = runs[self.into]
        text = run.own.pool().mean(1, keepdim=True)
        for name in self.others:
            tokens = runs[name].finish()
            runs[name].own = tokens.with_values(tokens.values + text.unsqueeze(1)).zeroed()
        return super().forward(runs)


@mutant(PrefixContract, NOT_YET_THERE, saying="Does the last token see more than others")
class LastTokenSeesMore(ToyPrefix):
    """As tokens behind a causal text do."""

    def forward(self, runs):
        streams = super().forward(runs)
        text = streams[self.into]
        places = text.mask.cumsum(1)
        last = (places == places[:, -1:]) & text.mask
        return {**streams, self.into: text.with_values(text.values + last.unsqueeze(-1).float())}


@mutant(PrefixContract, "test_fields_that_look_ahead_do", saying="learn of no later one")
class LookingAheadOverstated(ToyPrefix):
    def __init__(self, ports, *, into: str = "sequence", streaming: bool = True):
        super().__init__(ports, into=into, streaming=streaming)
        self.looks_ahead = frozenset(ports)


@mutant(RidersContract, AHEAD, saying="name the field in looks_ahead")
class LookingAheadUnderstated(ToyRiders):
    """What rode with one text is added to all texts."""

    def __init__(self, ports):
        super().__init__(ports)
        self.looks_ahead = frozenset()

    def forward(self, runs):
        streams = super().forward(runs)
        for name in self.riding:
            text = streams[name]
            streams[name] = text.with_values(text.values + streams["ridden"].values).zeroed()
        return streams


@mutant(RidersContract, "test_absent_samples_need_not_go_through_the_stages", saying="leave it out of every mean")
class AbsentRidersCount(ToyRiders):
    """Shared tokens averaged over absent fields too."""

    def share(self, fields):
        return torch.ones_like(super().share(fields))


@mutant(ConcatContract, "test_more_padding_changes_nothing", saying="count real tokens, not positions")
class SpansOfThePaddedLength(ToyConcat):
    """Brings all fields to one length, by share of the padded one."""

    def combine(self, streams):
        spans = [adaptive_avg_pool1d(streams[name].zeroed().values.transpose(1, 2), 2) for name in self.names]
        pooled = torch.cat([each[:, :, 0] for each in spans], 1)
        present = torch.stack([streams[name].present for name in self.names], 1).any(1)
        return {"joint": Tokens.single(torch.tanh(self.mix(pooled)), present)}


@mutant(ConcatContract, "test_it_writes_what_it_declares", saying="writes says")
class DropsStreams(ToyConcat):
    """As a chain that returns what its second part makes alone."""

    def forward(self, runs):
        return {"joint": super().forward(runs)["joint"]}


@mutant(ConnectedContract, "test_every_parameter_is_registered", saying="the optimizer never sees them")
class ConnectorsInAList(ToyConnected):
    def __init__(self, ports, *, connector: Annotated[ConnectorMaker, PluginOf("connector")]):
        super().__init__(ports, connector=connector)
        kept = list(self.connect)
        del self.connect
        self.connect = kept


@mutant(ConnectedContract, "test_inner_plugins_can_be_told_without_importing", saying="call it 'connector'")
class ConnectorUnderAnotherName(ToyConnected):
    def __init__(
        self,
        ports,
        *,
        connector: Annotated[ConnectorMaker, PluginOf("connector")],
        bridge: Annotated[ConnectorMaker | None, PluginOf("connector")] = {"name": "toy_linear"},  # noqa: B006
    ):
        super().__init__(ports, connector=connector)
        self.bridge = None if bridge is None else nn.Identity()
