"""Broken fusions."""

import torch
from torch import nn

from mmcore.interfaces.tokens import Tokens
from mmcore.testing.toys.fusion import ToyConcat
from tests.testing.contracts import ConcatContract
from tests.testing.mutation import mutant


@mutant(ConcatContract, "test_more_padding_changes_nothing", saying="count real tokens, not positions")
class PoolWithoutMask(ToyConcat):
    def combine(self, streams):
        pooled = torch.cat([streams[name].values.mean(1) for name in self.names], 1)
        return {"joint": Tokens.single(torch.tanh(self.mix(pooled)))}


@mutant(ConcatContract, "test_it_runs_on_a_gpu", saying="on a GPU it would fail")
class RowsOnTheCPU(ToyConcat):
    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values * torch.ones(len(joint.mask), 1, 1))}


@mutant(ConcatContract, "test_masked_tokens_change_nothing", saying="pool and mix with the mask")
class SumWithoutMask(ToyConcat):
    """Right as long as masked tokens are zero."""

    def combine(self, streams):
        counts = [streams[name].mask.sum(1, keepdim=True).clamp_min(1) for name in self.names]
        sums = [streams[name].values.sum(1) for name in self.names]
        pooled = torch.cat([total / count for total, count in zip(sums, counts, strict=True)], 1)
        return {"joint": Tokens.single(torch.tanh(self.mix(pooled)))}


@mutant(ConcatContract, "test_every_tensor_is_restored_by_load_state_dict", saying="factors.* are not restored")
class FactorsInAList(ToyConcat):
    """As in a well-known low-rank fusion: its factors never train and are never saved."""

    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.factors = [nn.Parameter(torch.randn(width)) for _ in ports]

    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values * sum(self.factors)).zeroed()}


@mutant(ConcatContract, "test_every_parameter_is_registered", saying="the optimizer never sees them")
class LayersInAList(ToyConcat):
    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.layers = [nn.Linear(width, width)]

    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(self.layers[0](joint.values)).zeroed()}


@mutant(ConcatContract, "test_finite_with_everything_absent", saying="a softmax or a mean over nothing")
class SoftmaxOverNothing(ToyConcat):
    def combine(self, streams):
        present = torch.stack([streams[name].present for name in self.names], 1)
        share = torch.zeros(present.shape).masked_fill(~present, float("-inf")).softmax(1)
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values * share.amax(1)[:, None, None])}


@mutant(ConcatContract, "test_an_absent_field_adds_no_constant", saying="bias counts: a constant is added")
class AbsentAddsConstant(ToyConcat):
    """A layer for each field, whose bias is there without the field."""

    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.mix = nn.ModuleList(nn.Linear(ports[name].width, width) for name in self.names)

    def combine(self, streams):
        present = torch.stack([streams[name].present for name in self.names], 1).any(1)
        parts = [layer(streams[name].pool()) for name, layer in zip(self.names, self.mix, strict=True)]
        return {"joint": Tokens.single(sum(parts), present)}


@mutant(ConcatContract, "test_joint_is_absent_where_every_field_is", saying="a task would answer from nothing")
class JointOfNothing(ToyConcat):
    def combine(self, streams):
        return {"joint": Tokens.of(super().combine(streams)["joint"].values)}


@mutant(ConcatContract, "test_neighbours_in_the_batch_change_nothing", saying="neighbours", training=False)
class RowsLeakInFusion(ToyConcat):
    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values - joint.values.mean(0))}


@mutant(ConcatContract, "test_neighbours_in_the_batch_change_nothing", saying="neighbours", training=True)
class BatchNormInFusion(ToyConcat):
    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.norm = nn.BatchNorm1d(width)

    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(self.norm(joint.values[:, 0]).unsqueeze(1)).zeroed()}


@mutant(ConcatContract, "test_a_batch_that_lacks_every_field_moves_no_buffer", saying="statistics are kept of nothing")
class StatisticsInFusion(BatchNormInFusion):
    pass


@mutant(ConcatContract, "test_the_order_of_keys_does_not_change_the_model", saying="Walk sorted")
class OrderOfKeys(ToyConcat):
    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.names = tuple(ports)


@mutant(ConcatContract, "test_joint_depends_on_every_field", saying="would be in vain")
class OneFieldForgotten(ToyConcat):
    def combine(self, streams):
        first = self.names[0]
        return super().combine({**streams, first: streams[first].with_values(torch.zeros_like(streams[first].values))})


class LooksBetween(ToyConcat):
    """Scales a run half way."""

    def forward(self, runs):
        for run in runs.values():
            tokens = run.advance()
            run.own = tokens.with_values(2 * tokens.values)
        return super().forward(runs)


@mutant(ConcatContract, "test_declared_taps_are_true", saying="its features are cached")
class TapsMisstated(LooksBetween):
    """Declares `end`."""

    def forward(self, runs):
        return super().forward(runs)


@mutant(ConcatContract, "test_declared_taps_are_true", saying="DID NOT RAISE")
class TapsOverstated(ToyConcat):
    """Declares `between`, and looks only at the end."""

    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.taps = dict.fromkeys(ports, "between")


@mutant(ConcatContract, "test_it_writes_what_it_declares", saying="writes says")
class WritesMisstated(ToyConcat):
    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.writes = {**self.writes, "other": width}


@mutant(ConcatContract, "test_every_run_is_finished", saying="are not finished")
class RunLeftBehind(ToyConcat):
    def forward(self, runs):
        return {"joint": runs["image"].finish()}


@mutant(ConcatContract, "test_a_causal_stream_stays_causal", saying="change with those behind them")
class FutureLeaksInFusion(ToyConcat):
    def combine(self, streams):
        question = streams["question"]
        mixed = question.with_values(question.values + question.pool().unsqueeze(1)).zeroed()
        return {**super().combine(streams), "question": mixed}


@mutant(ConcatContract, "test_every_tensor_is_restored_by_load_state_dict", saying="another one")
class BufferNotSaved(ToyConcat):
    """Drawn at random, and not among what is saved."""

    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
        self.register_buffer("shift", torch.randn(width), persistent=False)

    def combine(self, streams):
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values + self.shift).zeroed()}


@mutant(ConcatContract, "test_every_field_learns_of_what_it_changes", saying="their encoders never learn")
class JointCutOff(ToyConcat):
    """The head learns, the loss falls, and the encoders stay as they were drawn."""

    def combine(self, streams):
        return super().combine({name: tokens.with_values(tokens.values.detach()) for name, tokens in streams.items()})


@mutant(ConcatContract, "test_one_field_alone_is_fused_or_refused", saying="one field is too few")
class OthersOfNone(ToyConcat):
    """Each field beside the mean of the others."""

    def combine(self, streams):
        others = torch.stack([streams[name].pool() for name in self.names[1:]])
        joint = super().combine(streams)["joint"]
        return {"joint": joint.with_values(joint.values + others.mean()).zeroed()}
