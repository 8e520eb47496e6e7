"""Broken tasks that write, and broken tasks that tie samples together."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from mmcore.testing.toys.alignment import ToyAlignment
from mmcore.testing.toys.writing import ToyGeneration
from tests.testing.contracts import AlignmentContract, GenerationContract
from tests.testing.mutation import mutant


@mutant(GenerationContract, "test_the_prompt_is_not_scored", saying="it is given, not written")
class ScoresThePrompt(ToyGeneration):
    def scored(self, text):
        return (text.present.unsqueeze(1) & text.mask)[:, 1:]


@mutant(GenerationContract, "test_each_position_tells_the_next_token", saying="shift the targets by one")
class ForgetsTheShift(ToyGeneration):
    def each(self, outputs, text):
        told = outputs["logits"][:, 1:].transpose(1, 2)
        each = functional.cross_entropy(told, text.values[:, 1:], reduction="none")
        return torch.where(self.scored(text), each, 0)


@mutant(GenerationContract, "test_nothing_comes_after_the_end", saying="taught to tell padding")
class ScoresPadding(ToyGeneration):
    def scored(self, text):
        scored = text.present.unsqueeze(1).expand(text.values.shape)
        return (scored if text.scored is None else scored & text.scored)[:, 1:]


@mutant(GenerationContract, "test_the_measure_leaves_prompt_and_padding_out", saying="all of the text is prompt")
class MeasuresThePrompt(ToyGeneration):
    def measure(self, outputs, batch):
        return {**super().measure(outputs, batch), "tokens": batch.fields[self.generates].mask.sum(1).numpy()}


@mutant(GenerationContract, "test_the_truth_is_what_is_written", saying="take Field.written")
class GluesAnswers(ToyGeneration):
    def truth(self, batch):
        text = batch.fields[self.generates]
        values = text.values * functional.pad(self.scored(text), (1, 0))
        return super().truth(batch.with_fields({self.generates: replace(text, values=values, scored=None)}))


@mutant(
    GenerationContract, "test_more_padding_changes_neither_loss_nor_measure", saying="column 'nll' depends on how far"
)
class MeasureByPaddedLength(ToyGeneration):
    def measure(self, outputs, batch):
        found = super().measure(outputs, batch)
        return {**found, "nll": found["nll"] / outputs["logits"].shape[1]}


@mutant(GenerationContract, "test_measure_and_truth_of_parts_are_the_same", saying="'nll' of measure depends on")
class MeasureByBatchSize(ToyGeneration):
    def measure(self, outputs, batch):
        found = super().measure(outputs, batch)
        return {**found, "nll": found["nll"] / len(batch)}


@mutant(GenerationContract, "test_what_is_written_is_a_target_with_logits", saying="does not say how")
class SaysNotHow(ToyGeneration):
    def __init__(self, writes, fields, *, target: str):
        super().__init__(writes, fields, target=target)
        self.writing = None


@mutant(GenerationContract, "test_only_a_coupled_loss_ties_samples_together", saying="say coupled")
class CentresTheBatch(ToyGeneration):
    def loss(self, outputs, batch):
        return super().loss({"logits": outputs["logits"] - outputs["logits"].mean(0)}, batch)


@mutant(AlignmentContract, "test_samples_of_one_group_are_no_negatives_of_each_other", saying="taken for a negative")
class GroupsAreNegatives(ToyAlignment):
    def compared(self, pair, group):
        return torch.eye(len(pair), dtype=torch.bool) | pair.expand(len(pair), -1)


@mutant(AlignmentContract, "test_samples_of_one_group_are_no_negatives_of_each_other", saying="pull on 'first'")
class GroupsOfNumbersAreNegatives(GroupsAreNegatives):
    """A number for each field in place of a vector."""

    def forward(self, streams):
        return {name: output[:, 0] for name, output in super().forward(streams).items()}

    def loss(self, outputs, batch):
        return super().loss({name: output.unsqueeze(1) for name, output in outputs.items()}, batch)


@mutant(AlignmentContract, "test_a_coupled_loss_looks_at_outputs_and_batch_alone", saying="where gradients are cached")
class TemperatureInTheLoss(ToyAlignment):
    def __init__(self, writes, fields, *, first: str = "sequence", second: str = "vector", width: int = 4):
        super().__init__(writes, fields, first=first, second=second, width=width)
        self.scale = nn.Parameter(torch.ones(()))

    def loss(self, outputs, batch):
        return super().loss({**outputs, "first": self.scale * outputs["first"]}, batch)


@mutant(AlignmentContract, "test_rows_without_a_target_are_left_out_of_the_loss", saying="without a target count")
class HalfPairsAreNegatives(ToyAlignment):
    def compared(self, pair, group):
        return torch.eye(len(pair), dtype=torch.bool) | (group != group.unsqueeze(1))


@mutant(AlignmentContract, "test_a_coupled_loss_is_the_same_from_parts", saying="made in two parts")
class MeanOfThePart(ToyAlignment):
    def forward(self, streams):
        found = super().forward(streams)
        return {**found, "first": found["first"] - found["first"].mean(0)}
