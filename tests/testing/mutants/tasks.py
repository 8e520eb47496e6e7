"""Broken tasks."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mmcore.interfaces.metric import Metric
from mmcore.testing.toys.task import ToyAccuracy, ToyClassification
from tests.testing.contracts import ClassificationContract
from tests.testing.mutation import mutant


def each(outputs, target):
    return functional.cross_entropy(outputs["logits"], target.values, reduction="none")


@mutant(ClassificationContract, "test_rows_without_a_target_are_left_out_of_the_loss", saying="without a target count")
class MissingTargetsCounted(ToyClassification):
    def loss(self, outputs, batch):
        return {"cross_entropy": each(outputs, batch.fields[self.target]).mean()}


@mutant(ClassificationContract, "test_it_runs_on_a_gpu", saying="keep constants by register_buffer")
class ConstantNotRegistered(ToyClassification):
    def loss(self, outputs, batch):
        self.half = torch.tensor([0.5])
        return {name: (loss * self.half).sum() for name, loss in super().loss(outputs, batch).items()}


@mutant(ClassificationContract, "test_rows_without_a_target_are_left_out_of_the_loss", saying="or in its n")
class MeanOverAllRows(ToyClassification):
    """The gradient is right in direction and too small in size."""

    def loss(self, outputs, batch):
        target = batch.fields[self.target]
        return {"cross_entropy": torch.where(target.present, each(outputs, target), 0).mean()}


@mutant(
    ClassificationContract,
    "test_the_loss_of_a_batch_follows_from_its_parts_by_what_they_count",
    saying="not the mean over what `counts` says",
)
class CountsEveryRow(ToyClassification):
    """With several devices, those with many missing targets would pull too strongly."""

    def counts(self, batch):
        return torch.tensor(len(batch))


@mutant(ClassificationContract, "test_rows_without_a_target_have_no_gradient", saying="pull on the outputs")
class MissingTargetsPull(ToyClassification):
    def loss(self, outputs, batch):
        found = super().loss(outputs, batch)
        return {**found, "size": outputs["logits"].square().mean()}


@mutant(ClassificationContract, "test_filler_of_missing_targets_changes_nothing", saying="filler of missing targets")
class FillerOfTargetsCounts(ToyClassification):
    def loss(self, outputs, batch):
        found = super().loss(outputs, batch)["cross_entropy"]
        return {"cross_entropy": found * (1 + batch.fields[self.target].values.sum())}


@mutant(ClassificationContract, "test_the_loss_is_zero_where_no_row_has_a_target", saying="0 / 0")
class NaNWithoutTargets(ToyClassification):
    def loss(self, outputs, batch):
        target = batch.fields[self.target]
        return {"cross_entropy": each(outputs, target)[target.present].mean()}


@mutant(ClassificationContract, "test_neighbours_in_the_batch_change_nothing", saying="row b", training=False)
class SoftmaxOverTheBatch(ToyClassification):
    def forward(self, streams):
        return {"logits": super().forward(streams)["logits"].softmax(0)}


@mutant(ClassificationContract, "test_absent_streams_move_no_buffer", saying="statistics are kept of nothing")
class StatisticsInTask(ToyClassification):
    def __init__(self, writes, fields, *, target: str, stream: str = "joint"):
        super().__init__(writes, fields, target=target, stream=stream)
        self.norm = nn.BatchNorm1d(len(self.classes))

    def forward(self, streams):
        return {name: self.norm(output) for name, output in super().forward(streams).items()}


@mutant(ClassificationContract, "test_junk_in_masked_places_changes_nothing", saying="pool with the mask")
class TaskPoolsWithoutMask(ToyClassification):
    def forward(self, streams):
        return {"logits": self.head(streams[self.reads[0]].values.mean(1))}


@mutant(ClassificationContract, "test_gradients_are_finite_with_everything_absent", saying="leaves NaN in the gradient")
class TaskSoftmaxOverNothing(ToyClassification):
    """The NaN of absent samples is put away in the values, not in the gradient."""

    def forward(self, streams):
        tokens = streams[self.reads[0]]
        share = tokens.values.sum(-1).masked_fill(~tokens.mask, float("-inf")).softmax(1)
        pooled = (share.unsqueeze(-1) * tokens.values).sum(1)
        return {"logits": self.head(torch.where(tokens.present.unsqueeze(1), pooled, 0))}


@mutant(ClassificationContract, "test_outputs_have_a_row_for_each_sample", saying="rows for")
class OutputsWithoutRows(ToyClassification):
    def forward(self, streams):
        return {"logits": super().forward(streams)["logits"].T}


class HalfTheRows(ToyAccuracy):
    """Intervals over the first half, a score over all."""

    def __call__(self, predictions, targets):
        right = super().rows(predictions, targets)
        return float(right.mean()) / 2 + 0.5 if len(right) else float("nan")


@mutant(ClassificationContract, "test_the_mean_over_rows_is_the_score", saying="intervals would lie beside it")
class RowsBesideTheScore(ToyClassification):
    def metrics(self):
        return {"accuracy": HalfTheRows()}


class AboveTheFloor(ToyAccuracy):
    """How often the label is right for each time that the most frequent one would be."""

    def __call__(self, predictions, targets):
        rows = self.rows(predictions, targets)
        return float(rows.mean()) if len(rows) else float("nan")

    def rows(self, predictions, targets):
        _, counts = np.unique(targets["label"], return_counts=True)
        return super().rows(predictions, targets) * len(targets["label"]) / counts.max(initial=1)


@mutant(ClassificationContract, "test_the_mean_over_drawn_rows_is_their_score", saying="depends on the others")
class RowsBesideEachOther(ToyClassification):
    def metrics(self):
        return {"above_the_floor": AboveTheFloor()}


class MedianPlace(ToyAccuracy):
    """Of all rows in the order of certainty, whichever are drawn."""

    rows = Metric.rows

    def __call__(self, predictions, targets):
        return self.of(self.digest(predictions, targets))

    def digest(self, predictions, targets):
        return {"place": predictions["probabilities"].max(1).argsort().argsort()}

    def of(self, digest):
        return float(np.median(digest["place"])) if len(digest["place"]) else float("nan")


@mutant(ClassificationContract, "test_the_digest_of_drawn_rows_comes_to_their_score", saying="a rank among them")
class DigestOfRanks(ToyClassification):
    def metrics(self):
        return {"median_place": MedianPlace()}


class LessIsBetter(ToyAccuracy):
    better = "down"


@mutant(ClassificationContract, "test_nothing_scores_better_than_the_truth", saying="the worst model would be kept")
class AccuracyTheWrongWay(ToyClassification):
    def metrics(self):
        return {"accuracy": LessIsBetter()}


class HitsAsAShare(ToyAccuracy):
    """How many are right."""

    rows = Metric.rows

    def __call__(self, predictions, targets):
        right = predictions["label"] == targets["label"]
        return float(right.sum()) if len(right) else float("nan")


@mutant(ClassificationContract, "test_a_share_lies_between_0_and_1", saying="said to be a share and comes to")
class CountsHits(ToyClassification):
    def metrics(self):
        return {"hits": HitsAsAShare()}


class SortingAccuracy(ToyAccuracy):
    """Sorts what the next metric reads."""

    def rows(self, predictions, targets):
        predictions["label"].sort()
        return super().rows(predictions, targets)


@mutant(ClassificationContract, "test_metrics_do_not_write_into_the_tables", saying="work on a copy")
class MetricSortsInPlace(ToyClassification):
    def metrics(self):
        return {"sorted": SortingAccuracy()}


@mutant(ClassificationContract, "test_measure_and_truth_of_parts_are_the_same", saying="'row' of truth depends on")
class TruthOfTheBatch(ToyClassification):
    """Rows are numbered anew in each batch."""

    def truth(self, batch):
        return {**super().truth(batch), "row": np.arange(len(batch))}


@mutant(ClassificationContract, "test_predicting_in_parts_gives_the_same", saying="which other rows are in the batch")
class RankedInBatch(ToyClassification):
    def predict(self, outputs):
        logits = outputs["logits"]
        return super().predict({"logits": logits - logits.amax(0)})


@mutant(ClassificationContract, "test_one_batch_can_be_learned", saying="60 steps on one batch")
class LearnsNothing(ToyClassification):
    def loss(self, outputs, batch):
        return {"cross_entropy": 1 + 0 * super().loss(outputs, batch)["cross_entropy"]}


@mutant(ClassificationContract, "test_what_is_settled_is_kept_with_the_weights", saying="keep it in a buffer")
class SettlesBesideTheWeights(ToyClassification):
    """It says one label, until it is saved."""

    settles = True
    said = None

    def settle(self, predictions, truth):
        self.said = self.classes[-1 if predictions["label"][0] == self.classes[0] else 0]

    def predict(self, outputs):
        found = super().predict(outputs)
        return found if self.said is None else {**found, "label": np.full(len(found["label"]), self.said, object)}


@mutant(ClassificationContract, "test_what_is_settled_is_kept_with_the_weights", saying="`settles` is False")
class SettlesUnasked(ToyClassification):
    def settle(self, predictions, truth):
        with torch.no_grad():
            self.head.bias.add_(1)


@mutant(ClassificationContract, "test_every_stream_learns_of_what_it_changes", saying="what gives them never learns")
class HeadAlone(ToyClassification):
    """The loss falls, and nothing before the head learns."""

    def forward(self, streams):
        return super().forward({n: tokens.with_values(tokens.values.detach()) for n, tokens in streams.items()})


@mutant(
    ClassificationContract, "test_neighbours_in_the_batch_change_nothing", saying="of the streams only", training=False
)
class MeanOfTheBatchThroughAGate(ToyClassification):
    """The gate is closed before the first step of a training: nothing is seen of it in a new model."""

    def __init__(self, writes, fields, *, target: str, stream: str = "joint"):
        super().__init__(writes, fields, target=target, stream=stream)
        self.gate = torch.nn.Parameter(torch.zeros(()))

    def forward(self, streams):
        logits = super().forward(streams)["logits"]
        return {"logits": logits - self.gate * logits.mean(0)}
