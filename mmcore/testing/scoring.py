"""What a task promises about predictions and metrics."""

# B = samples of a batch

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import pytest
import torch

from mmcore.evaluation.predict import pick
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.task import Outputs, Task
from mmcore.testing.module import ModuleContract, generator

DRAWS = 8
"""How often rows are drawn, as the bootstrap would."""


class ScoringContract(ModuleContract):
    """The part of the tasks' contract that begins where the outputs are."""

    def ready(self) -> Task:
        """The task in evaluation mode."""
        raise NotImplementedError

    def streams(self, seed: int = 0) -> Streams:
        """Tokens for each stream."""
        raise NotImplementedError

    def make(self, seed: int = 0) -> Batch:
        """The tests' batch."""
        raise NotImplementedError

    def tables(self) -> tuple[Task, Table, Table]:
        """The task with its predictions for the batch, and the truth."""
        task, batch = self.ready(), self.make()
        with torch.no_grad():
            outputs = self.told(task)
            predictions = {**task.predict(outputs), **task.measure(outputs, batch)}
        return task, predictions, task.truth(batch)

    def told(self, task: Task) -> Outputs:
        """The outputs for the tests' streams and, where the task writes, what was written: the given texts."""
        outputs: Outputs = task(self.streams())
        if task.generates is None:
            return outputs
        score = -torch.arange(1.0, self.samples + 1)
        return {**outputs, "ids": self.make().fields[task.generates].values, "log_probability": score}

    def perfect(self, predictions: Table, truth: Table) -> Table:
        """Columns of predictions that nothing is better than: here those that the truth has in the same form.

        Override it where metrics look at others: probabilities that are 1 for what is true.
        """
        return {
            name: column for name, column in truth.items() if name in predictions and _like(column, predictions[name])
        }

    def drawn(self) -> list[np.ndarray]:
        """Numbers of rows, some more than once: whole groups, as intervals draw them."""
        group, draw = self.make().group.numpy(), np.random.default_rng(5)
        members = [np.flatnonzero(group == number) for number in np.unique(group)]
        return [
            np.concatenate([members[n] for n in draw.integers(len(members), size=len(members))]) for _ in range(DRAWS)
        ]

    def test_predictions_have_a_row_for_each_sample(self) -> None:
        _, predictions, truth = self.tables()
        for title, table in (("predict", predictions), ("truth", truth)):
            assert table, f"{title} gives no column."
            lengths = {name: len(column) for name, column in table.items()}
            assert set(lengths.values()) == {self.samples}, f"{title} gives {lengths} rows for {self.samples} samples."

    def test_columns_are_numpy_arrays(self) -> None:
        _, predictions, truth = self.tables()
        odd = [name for name, column in {**predictions, **truth}.items() if not isinstance(column, np.ndarray)]
        assert not odd, f"the columns {odd} are no numpy arrays: evaluation writes them to a table."

    def test_predicting_in_parts_gives_the_same(self) -> None:
        task = self.ready()
        with torch.no_grad():
            outputs = self.told(task)
            whole = task.predict(outputs)
            parts = [task.predict({name: output[rows] for name, output in outputs.items()}) for rows in _halves()]
        for name, column in whole.items():
            found = np.concatenate([part[name] for part in parts])
            assert _alike(column, found), f"the prediction {name!r} depends on which other rows are in the batch."

    def test_what_is_settled_is_kept_with_the_weights(self) -> None:
        task, predictions, truth = self.tables()
        before = {name: value.clone() for name, value in task.state_dict().items()}
        task.settle(predictions, truth)
        if not task.settles:
            moved = [name for name, value in task.state_dict().items() if not torch.equal(value, before[name])]
            assert not moved, f"settle changes {moved}, but `settles` is False, so that nobody will call it."
        again = self.ready()
        again.load_state_dict(task.state_dict())
        with torch.no_grad():
            one, two = (found.predict(self.told(found)) for found in (task, again))
        odd = [name for name, column in one.items() if not _alike(column, two[name])]
        assert not odd, f"what settle found for {odd} is lost when the model is saved: keep it in a buffer."

    def test_a_missing_target_does_not_stop_the_truth(self) -> None:
        task, batch = self.ready(), self.make()
        everyone = torch.arange(len(batch))
        gone = batch.with_fields({name: batch.fields[name].hide(everyone) for name in task.targets})
        assert all(len(column) == len(batch) for column in task.truth(gone).values()), "truth loses rows."

    def test_measure_and_truth_of_parts_are_the_same(self) -> None:
        task, batch = self.ready(), self.make()
        with torch.no_grad():
            outputs = self.told(task)
            tables = [(task.measure(outputs, batch), task.truth(batch))]
            for rows in _halves():
                part = batch.pick(torch.arange(len(batch))[rows])
                told = {name: output[rows] for name, output in outputs.items()}
                tables.append((task.measure(told, part), task.truth(part)))
        for title, (whole, *parts) in zip(("measure", "truth"), zip(*tables, strict=True), strict=True):
            for name, column in whole.items():
                found = np.concatenate([part[name] for part in parts])
                assert _alike(column, found), (
                    f"the column {name!r} of {title} depends on which other rows are in the batch."
                )

    def test_metrics_do_not_write_into_the_tables(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            before = deepcopy((dict(predictions), dict(truth)))
            metric(predictions, truth)
            metric.rows(predictions, truth)
            metric.digest(predictions, truth)
            for old, new in zip(before, (predictions, truth), strict=True):
                changed = [column for column in old if not _alike(old[column], new[column])]
                assert not changed, f"{name} writes into {changed}, which every other metric reads: work on a copy."

    def test_metrics_say_which_way_is_better(self) -> None:
        metrics = self.ready().metrics()
        assert metrics, "a task needs a metric: the first is what it is judged by."
        odd = {name: metric.better for name, metric in metrics.items() if metric.better not in ("up", "down")}
        assert not odd, f"better must be 'up' or 'down': {odd}."

    def test_metrics_are_numbers(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            score = metric(predictions, truth)
            assert isinstance(score, float), f"{name} gives a {type(score).__name__}; it must be a float."
            assert np.isfinite(score), f"{name} is {score} on a batch that has every target."

    def test_the_mean_over_rows_is_the_score(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            rows = metric.rows(predictions, truth)
            if rows is None:
                continue
            assert rows.shape == (self.samples,), f"rows() of {name} has shape {rows.shape} for {self.samples} samples."
            assert np.nanmean(rows) == pytest.approx(metric(predictions, truth)), (
                f"rows() of {name} has another mean than its score: intervals would lie beside it. Return None where "
                "the score is no mean over rows."
            )

    def test_the_digest_comes_to_the_score(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            digest = metric.digest(predictions, truth)
            if digest is None:
                continue
            lengths = {column: len(values) for column, values in digest.items()}
            assert set(lengths.values()) == {self.samples}, f"the digest of {name} has {lengths} rows."
            assert metric.of(digest) == pytest.approx(metric(predictions, truth)), (
                f"of(digest) of {name} is another score than its own: intervals would lie beside it."
            )

    def test_the_mean_over_drawn_rows_is_their_score(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            rows = metric.rows(predictions, truth)
            if rows is None or metric.among_others:
                continue
            for some in self.drawn():
                assert _mean(rows[some]) == pytest.approx(_score(metric, predictions, truth, some), nan_ok=True), (
                    f"rows() of {name}: drawn rows have another mean than their score, since a row's number depends on "
                    "the others (their mean, their variance): intervals would be too narrow. Give a digest, or nothing."
                )

    def test_the_digest_of_drawn_rows_comes_to_their_score(self) -> None:
        task, predictions, truth = self.tables()
        for name, metric in task.metrics().items():
            digest = metric.digest(predictions, truth)
            if digest is None or metric.among_others:
                continue
            for some in self.drawn():
                found, score = metric.of(pick(digest, some)), _score(metric, predictions, truth, some)
                assert found == pytest.approx(score, nan_ok=True), (
                    f"of(digest) of {name} is another score than that of drawn rows, since a row of the digest depends "
                    "on the others (a rank among them): intervals would be too narrow. Leave that to `of`."
                )

    def test_nothing_scores_better_than_the_truth(self) -> None:
        task, predictions, truth = self.tables()
        known = self.perfect(predictions, truth)
        if not known:
            pytest.skip("predict and truth share no column: override `perfect`, else a turned direction is not seen.")
        turned = {name: np.roll(column, 1, axis=0) for name, column in known.items()}
        for name, metric in task.metrics().items():
            best, *others = (metric({**predictions, **part}, truth) for part in (known, {}, turned))
            way = 1 if metric.better == "up" else -1
            above = [other for other in others if way * other > way * best + abs(best) * 1e-6]
            assert not above, (
                f"{name} gives {best} for the truth itself and {above[0]} for something else, but better is "
                f"{metric.better!r}: the worst model would be kept."
            )

    def test_a_share_lies_between_0_and_1(self) -> None:
        task, predictions, truth = self.tables()
        best = {**predictions, **self.perfect(predictions, truth)}
        for name, metric in task.metrics().items():
            scores = [metric(told, truth) for told in (predictions, best)] if metric.share else []
            assert all(0 <= score <= 1 + 1e-9 for score in scores), (
                f"{name} is said to be a share and comes to {scores}: reports would tell it in percent, and cut its "
                "interval to 0 and 1. Leave `share` out, or divide by what there is."
            )

    def test_metrics_need_columns_that_are_told(self) -> None:
        task, predictions, _ = self.tables()
        lacking = {name: set(metric.needs) - set(predictions) for name, metric in task.metrics().items()}
        assert not any(lacking.values()), f"no prediction has the columns that metrics need: {lacking}."

    def test_what_compares_across_tokenizers_counts_no_tokens(self) -> None:
        metrics = self.ready().metrics()
        named = {one.across_tokenizers for one in metrics.values() if one.across_tokenizers is not None}
        counting = {name for name in named & metrics.keys() if metrics[name].across_tokenizers is not None}
        assert not counting, f"across_tokenizers names {sorted(counting)}, which count tokens themselves."

    def test_the_order_of_rows_does_not_change_a_score(self) -> None:
        task, predictions, truth = self.tables()
        order = torch.randperm(self.samples, generator=generator(2)).numpy()
        turned = [{name: column[order] for name, column in table.items()} for table in (predictions, truth)]
        for name, metric in task.metrics().items():
            assert metric(*turned) == pytest.approx(metric(predictions, truth)), f"{name} depends on the order of rows."

    def test_a_score_over_no_rows_is_nan(self) -> None:
        task, predictions, truth = self.tables()
        nothing = [{name: column[:0] for name, column in table.items()} for table in (predictions, truth)]
        for name, metric in task.metrics().items():
            assert np.isnan(metric(*nothing)), f"{name} over no rows must be nan: a slice may be empty."

    def test_the_floor_is_scored_like_a_prediction(self) -> None:
        task, predictions, truth = self.tables()
        floor = task.floor(truth, self.samples)
        if floor is None:
            return
        assert set(floor) <= set(predictions), f"floor has columns {sorted(floor)}, predict {sorted(predictions)}."
        scored = {name: metric for name, metric in task.metrics().items() if set(metric.needs) <= set(floor)}
        for name, metric in scored.items():
            assert np.isfinite(metric(floor, truth)), f"{name} of the floor is not finite."

    def test_the_floor_has_as_many_rows_as_asked(self) -> None:
        task, _, truth = self.tables()
        floor: Mapping[str, np.ndarray] = task.floor(truth, 3) or {}
        assert all(len(column) == 3 for column in floor.values()), "floor(truth, 3) must have three rows."


def _halves() -> tuple[slice, slice]:
    return slice(0, 2), slice(2, None)


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, atol=1e-5))
    return bool(np.array_equal(one, other))


def _like(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.dtype.kind == other.dtype.kind


def _mean(rows: np.ndarray) -> float:
    """Of those that count."""
    counting = rows[~np.isnan(rows)]
    return float(counting.mean()) if len(counting) else float("nan")


def _score(metric: Metric, predictions: Table, truth: Table, rows: np.ndarray) -> float:
    """Of these rows as if there were no others."""
    return metric(pick(predictions, rows), pick(truth, rows))
