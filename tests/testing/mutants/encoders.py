"""Broken encoders."""

from typing import Annotated

import numpy as np
import torch
from torch import nn

from mmcore.errors import ConfigError
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.toys.encoders import MLP, CausalGRU, DenseStage, GRUStage
from tests.testing.contracts import CausalGRUContract, MLPContract
from tests.testing.mutation import mutant


@mutant(MLPContract, "test_zeros_are_data_not_absence", saying="a zero is a value")
class MaskFromZeros(MLP):
    """Ludwig guesses lengths like this."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return Tokens.of(tokens.values, field.values.abs().sum(1, keepdim=True) > 0)


@mutant(MLPContract, "test_it_runs_on_a_gpu", saying="on a GPU it would fail")
class PlacesOnTheCPU(MLP):
    """Right wherever torch's default device is the only one."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + 0.1 * torch.arange(tokens.length).unsqueeze(1))


@mutant(MLPContract, "test_weights_that_hang_on_numbers_are_there", saying="no weights of that name")
class ByNumberMisspelt(MLP):
    by_number = ("run.weight",)


@mutant(MLPContract, "test_what_it_declares_can_be_searched", saying="of 12 points of the ranges .* cannot be built")
class LegalIsNotSensible(MLP):
    """Every number of heads that some width can be dealt to is declared, and every width that some number divides."""

    def __init__(self, facts, *, width: Annotated[int, Range(1, 64)] = 8, heads: Annotated[int, Range(1, 31)] = 2):
        if width % heads:
            raise ConfigError(f"a width of {width} cannot be dealt to {heads} heads.")
        super().__init__(facts, width=width)


@mutant(CausalGRUContract, "test_junk_in_masked_places_changes_nothing", saying="values where the mask is False")
class MaskForgotten(CausalGRU):
    """Each token sees the sum of all positions."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + tokens.values.sum(1, keepdim=True))


@mutant(CausalGRUContract, "test_more_padding_changes_nothing", saying="how far a batch is padded")
class MeanOverPadding(CausalGRU):
    """Padding counts, although it adds nothing."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + tokens.zeroed().values.mean(1, keepdim=True))


@mutant(MLPContract, "test_filler_of_absent_samples_changes_nothing", saying="rows of absent samples")
class FillerLeaks(MLP):
    """The largest number of the batch, filler included, scales all."""

    def embed(self, field, start=0):
        return super().embed(field.with_values(field.values / field.values.abs().amax()), start)


@mutant(MLPContract, "test_neighbours_in_the_batch_change_nothing", saying="depends on its neighbours")
class RowsLeak(MLP):
    """A mean over the wrong axis."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values - tokens.values.mean(0))


@mutant(MLPContract, "test_what_a_saved_model_holds_rebuilds_it", saying="would not fit")
class RebuiltAsAnother(MLP):
    """It remembers another width than it has."""

    def rebuilt_with(self):
        return {"width": self.widths[-1] + 1}


class NormStage(DenseStage):
    """Batch norm behind a dense layer."""

    def __init__(self, width, width_out):
        super().__init__(width, width_out)
        self.norm = nn.BatchNorm1d(width_out)

    def forward(self, tokens, cache=None):
        tokens = super().forward(tokens, cache)
        return tokens.with_values(self.norm(tokens.values.transpose(1, 2)).transpose(1, 2))


@mutant(MLPContract, "test_declared_batch_statistics_are_true", saying="batch_statistics is False")
class UndeclaredBatchStatistics(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([NormStage(width, width), DenseStage(width, width)])


@mutant(MLPContract, "test_a_batch_that_lacks_the_field_moves_no_buffer", saying="statistics of filler")
class StatisticsOfNothing(UndeclaredBatchStatistics):
    pass


class MeanKept(DenseStage):
    """Follows the mean of what goes through; while training no sample learns of another by it."""

    def __init__(self, width, width_out):
        super().__init__(width, width_out)
        self.register_buffer("mean", torch.zeros(width_out))

    def forward(self, tokens, cache=None):
        found = super().forward(tokens, cache)
        if self.training:
            self.mean.lerp_(found.values.detach().mean((0, 1)), 0.1)
            return found
        return found.with_values(found.values - self.mean)


@mutant(MLPContract, "test_absent_samples_beside_present_ones_move_no_buffer", saying="Set batch_statistics")
class StatisticsBesideFiller(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages[1] = MeanKept(width, width)


class ChannelsAlone(DenseStage):
    """A norm of one's own, over the batch alone."""

    def forward(self, tokens, cache=None):
        found = super().forward(tokens, cache)
        away = found.values - found.values.mean(0)
        return found.with_values(away / away.square().mean(0).sqrt())


@mutant(MLPContract, "test_trains_with_one_sample_present", saying="one sample of 6 present, something is not finite")
class DeviationOfOne(MLP):
    batch_statistics = True

    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages[1] = ChannelsAlone(width, width)


@mutant(MLPContract, "test_declared_batch_statistics_are_true", saying="no sample depends on another")
class NeedlesslyDeclaredBatchStatistics(MLP):
    batch_statistics = True


@mutant(MLPContract, "test_stages_are_registered", saying="A class default hides it")
class StagesAsClassDefault(MLP):
    stages = ()

    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        del self._modules["stages"]


@mutant(MLPContract, "test_every_parameter_gets_a_gradient", saying="extra.weight.* get no gradient")
class ParameterNeverUsed(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.extra = nn.Linear(width, width)


@mutant(MLPContract, "test_the_same_seed_gives_the_same_model", saying="torch's global generator")
class WeightsFromElsewhere(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        nn.init.constant_(self.first.weight, np.random.default_rng().normal())


@mutant(MLPContract, "test_declared_widths_are_true", saying="widths says")
class WidthsMisstated(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.widths = (width, width, 2 * width)


class MaskDropped(DenseStage):
    """Makes all tokens real."""

    def forward(self, tokens, cache=None):
        return Tokens.of(super().forward(tokens, cache).values)


@mutant(MLPContract, "test_absent_samples_stay_absent", saying="made a mask of its own")
class AbsenceForgotten(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages[1] = MaskDropped(width, width)


class LoneTokenDropped(GRUStage):
    """Takes a row for absent that has only one real token, as an absent one with its blank has."""

    def forward(self, tokens, cache=None):
        tokens = super().forward(tokens, cache)
        return Tokens.of(tokens.values, tokens.mask & (tokens.mask.sum(1, keepdim=True) > 1), order=tokens.order)


@mutant(CausalGRUContract, "test_a_blank_token_lives_to_the_end", saying="is lost on the way")
class BlankLost(CausalGRU):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([LoneTokenDropped(width)])


@mutant(MLPContract, "test_flags_of_tokens_are_true", saying="dense is True, but some tokens are masked")
class DenseByMistake(MLP):
    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return Tokens(tokens.values, torch.zeros_like(tokens.mask), tokens.order, dense=True)


@mutant(MLPContract, "test_an_elastic_encoder_takes_inserted_tokens", saying="elastic is not true")
class NotElastic(MLP):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages[1] = FirstToken(width, width)


class FirstToken(DenseStage):
    """Gives back one token whatever comes in."""

    def forward(self, tokens, cache=None):
        return super().forward(tokens.cut(0, 1), cache)


class Skip(DenseStage):
    """Adds what the encoder embedded last."""

    def __init__(self, width, encoder):
        super().__init__(width, width)
        vars(self)["encoder"] = encoder

    def forward(self, tokens, cache=None):
        found = super().forward(tokens, cache)
        return found.with_values(found.values + vars(self)["encoder"].kept)


@mutant(MLPContract, "test_fields_that_share_it_do_not_mix", saying="keeps something of its own")
class EmbedKeepsForStages(MLP):
    """A skip connection that lies on the encoder between embed and the stages."""

    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([DenseStage(width, width), Skip(width, self)])

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        vars(self)["kept"] = tokens.values
        return tokens


@mutant(MLPContract, "test_bf16_autocast_is_finite", saying="under bfloat16 autocast")
class TooLargeForHalf(MLP):
    """A constant that only float32 can hold."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        large = torch.tensor(3.4e38, dtype=tokens.values.dtype)
        return tokens.with_values(tokens.values + 0 * large)


@mutant(CausalGRUContract, "test_causal_means_causal", saying="something looks ahead")
class LooksAheadThroughAGate(CausalGRU):
    """The gate is closed before the first step of a training: nothing is seen of it in a new model."""

    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.gate = nn.Parameter(torch.zeros(width))

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + self.gate * tokens.values.mean(1, keepdim=True))


@mutant(MLPContract, "test_declared_batch_statistics_are_true", saying="depends on its neighbours")
class NeighboursThroughAGate(MLP):
    def __init__(self, facts, *, width: int = 8, dropout: float = 0.0):
        super().__init__(facts, width=width, dropout=dropout)
        self.gate = nn.Parameter(torch.zeros(width))

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + self.gate * tokens.values.mean(0, keepdim=True))
