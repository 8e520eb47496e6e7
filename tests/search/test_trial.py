"""Real trainings, in this process."""

import csv
import json
import math

import numpy as np
import pytest

from mmcore.config.params import Params
from mmcore.errors import BuildError, ConfigError, DataError, TrainingError
from mmcore.registry.plugins import installed
from mmcore.search.trial.__main__ import _faults
from mmcore.search.trial.prepared import Shared
from mmcore.search.trial.training import KEYS, Job, Pruned, Unbuilt, judge, tidy
from mmcore.stages import encode, evaluate, fit, train
from mmcore.stages.paths import Paths
from mmcore.training.step import Stepper

SCORE = "kind/accuracy"


@pytest.fixture
def shared(project):
    return Shared(project.root, ".mm/search/s/shared", project.values, installed())


def job(**changed):
    return Job(**{"objectives": (SCORE,), "folds": 0, "stratify": None, "seed": 0, **changed})


def never(step, value):
    return False


def reproduced(project):
    """What the stages give for params.yaml as it stands: the best epoch, and the scores."""
    paths = Paths(project.root)
    values = project.values
    train.run(Params(values, train.READS), paths)
    evaluate.run(Params(values, evaluate.READS), paths)
    with paths.learning.open() as file:
        best = max(float(row[SCORE]) for row in csv.DictReader(file))
    return best, json.loads(paths.metrics.read_text())[SCORE]


def test_a_trial_gives_exactly_what_the_pipeline_gives_with_the_same_settings(project, shared):
    changes = {"training.lr": 0.03, "fusion.width": 16}
    values = project.plan().project.settle(changes)
    reported = []
    found = job().run(values, "t/0", shared, lambda step, value: reported.append((step, value)))
    judged = judge(values, 0, "t/judged", shared)
    project.compose(*(f"{key}={value}" for key, value in changes.items()))
    best, score = reproduced(project)
    assert found["values"] == [best]
    assert judged["scores"][SCORE] == score
    assert [step for step, _ in reported] == [1, 2]
    assert best in [value for _, value in reported]


def test_a_winner_is_judged_where_the_score_is_no_number_too(project, shared, monkeypatch):
    whole = evaluate.run

    def undefined(params, paths, **options):
        whole(params, paths, **options)
        told = json.loads(paths.metrics.read_text())
        paths.metrics.write_text(json.dumps({key: value for key, value in told.items() if key != SCORE}))

    monkeypatch.setattr(evaluate, "run", undefined)
    assert math.isnan(judge(project.values, 0, "t/judged", shared)["scores"][SCORE])


def test_a_second_trial_in_the_same_process_is_not_touched_by_the_first(project, shared):
    values = project.plan().project.settle({"training.lr": 0.03})
    first = job().run(values, "t/0", shared, never)
    job().run(project.plan().project.settle({"fusion.width": 4}), "t/1", shared, never)
    again = job().run(values, "t/2", shared, never)
    assert {**first["scores"], "train_s": 0} == {**again["scores"], "train_s": 0}


def test_a_space_may_hold_settings_that_do_not_go_together_and_only_the_trial_with_both_fails(project, shared):
    both = {"tasks.kind.decide": "f1", "tasks.kind.class_weights": "balanced"}
    searched = {"tasks.kind.decide": ["probable", "f1"], "tasks.kind.class_weights": ["none", "balanced"]}
    plan = project.plan(space=searched)
    assert _faults(plan.ends()) == []
    assert job().run(plan.project.settle({"tasks.kind.decide": "f1"}), "t/0", shared, never)["values"]
    for work in (lambda values: job().run(values, "t/1", shared, never), lambda values: job().better(values, shared)):
        with pytest.raises(ConfigError, match=r"decide: f1 needs probabilities that are right"):
            work(plan.project.settle(both))


def test_what_a_model_cannot_be_built_of_counts_as_no_trial(project, shared):
    with pytest.raises(Unbuilt, match="must be between"):
        job().run({**project.values, "fusion": {**project.values["fusion"], "width": -1}}, "t/0", shared, never)
    both = {**project.values["training"], "chunk": 8, "modulate": 0.5}
    with pytest.raises(Unbuilt, match="do not go together"):
        job().run({**project.values, "training": both}, "t/1", shared, never)


def test_what_the_first_batch_does_not_go_through_counts_as_no_trial(project, shared, monkeypatch):
    """Some parts know only there what they are given: pixel-shuffle the grid of its maps."""
    monkeypatch.setattr(Stepper, "backward", too_late)
    with pytest.raises(Unbuilt, match="too late"):
        job().run(project.values, "t/0", shared, never)


def too_late(*args, **options):
    raise ConfigError("too late")


def after_one(work):
    """The same, which goes wrong the next time."""
    done = []
    return lambda *args, **options: too_late() if done else (done.append(True), work(*args, **options))[1]


@pytest.mark.parametrize("first", ["", "epochs: 1"], ids=["training", "pretraining"])
def test_what_goes_wrong_after_a_step_is_a_failure(project, shared, monkeypatch, first):
    project.compose(f"pretrain.training={{{first}}}")
    monkeypatch.setattr(Stepper, "backward", after_one(Stepper.backward))
    with pytest.raises(ConfigError, match="too late") as found:
        job().run(project.values, "t/0", shared, never)
    assert (project.root / "t/0/pretrain").exists() == bool(first)
    assert not isinstance(found.value, Unbuilt)


def test_what_goes_wrong_while_it_is_judged_is_a_failure(project, shared, monkeypatch):
    monkeypatch.setattr("mmcore.search.trial.training._kept_row", too_late)
    with pytest.raises(ConfigError, match="too late") as found:
        job().run(project.values, "t/0", shared, never)
    assert not isinstance(found.value, Unbuilt)


def test_what_goes_wrong_after_a_first_training_is_a_failure_also_where_a_former_process_did_that(
    project, shared, monkeypatch
):
    project.compose("pretrain.training={epochs: 1}")
    monkeypatch.setattr(train, "run", too_late)
    for _ in range(2):
        with pytest.raises(ConfigError, match="too late") as found:
            job().run(project.values, "t/0", shared, never)
        assert (project.root / "t/0/pretrain/first/model").is_dir()
        assert not isinstance(found.value, Unbuilt)


def test_what_goes_wrong_after_a_fold_is_a_failure_also_where_a_former_process_trained_it(project, shared, monkeypatch):
    folds = job(folds=2)
    monkeypatch.setattr(train, "run", after_one(train.run))
    for _ in range(2):
        with pytest.raises(ConfigError, match="too late") as found:
            folds.run(project.values, "t/0", shared, never)
        assert not isinstance(found.value, Unbuilt)


def test_a_space_goes_no_further_than_what_each_setting_may_be(project):
    [fault] = _faults(project.plan(space={"tasks.kind.decide": ["probable", "f2"]}).ends())
    assert fault.startswith("tasks.kind.decide must be")


def test_nothing_is_fitted_or_decoded_again(project, shared, monkeypatch):
    for stage in (fit, encode):
        monkeypatch.setattr(stage, "run", lambda *_, **__: pytest.fail("prepared again"))
    job().run(project.plan().project.settle({"fusion.width": 4}), "t/0", shared, never)
    assert (project.root / "t/0/features/numbers").resolve() == (project.root / "artifacts/features/numbers").resolve()


def test_what_only_some_trials_want_of_the_data_is_made_once(project, shared, monkeypatch):
    encoded, run = [], encode.run
    monkeypatch.setattr(encode, "run", lambda *given, **more: (encoded.append(more["field"]), run(*given, **more)))
    values = project.plan().project.settle({"fields.numbers.modality.min_count": 3})
    for number in range(2):
        job().run(values, f"t/{number}", shared, never)
    assert encoded == ["numbers"]


def test_a_trial_that_is_pruned_stops_there_and_leaves_no_model(project, shared):
    with pytest.raises(Pruned):
        job().run(project.values, "t/0", shared, lambda step, value: step == 1)
    tidy(project.root, "t/0")
    assert not list((project.root / "t/0").rglob("*.safetensors"))


def test_a_trial_that_was_done_before_the_search_was_killed_is_not_trained_again(project, shared, monkeypatch):
    found = job().run(project.values, "t/0", shared, never)
    monkeypatch.setattr(train, "run", lambda *_, **__: pytest.fail("trained again"))
    assert job().run(project.values, "t/0", shared, never) == found


def test_folds_are_steps_and_their_mean_counts_rows(project, shared):
    reported = []
    found = job(folds=3, stratify="kind").run(
        project.values, "t/0", shared, lambda step, value: reported.append((step, value))
    )
    assert [step for step, _ in reported] == [0, 1, 2]
    assert found["folds"] == [value for _, value in reported]
    assert min(found["folds"]) <= found["values"][0] <= max(found["folds"])
    again = job(folds=3, stratify="kind").run(project.values, "t/1", shared, never)
    assert again["values"] == found["values"]


def test_a_model_can_be_judged_by_what_it_costs(project, shared):
    costly = job(objectives=(SCORE, "parameters", "latency_ms"))
    values = project.plan().project.settle({"fusion.width": 16})
    small, large = (costly.run(v, f"t/{n}", shared, never)["values"] for n, v in enumerate((project.values, values)))
    assert large[1] > small[1]
    assert small[2] > 0
    assert costly.better(project.values, shared) == ("up", "up", "down", "down")


@pytest.mark.parametrize("write", ["true", "false"])
def test_texts_are_scored_where_no_monitor_looks_at_them(project, write):
    header, *rows = (project.root / "rows.csv").read_text().splitlines()
    texts = [f"{row},{row.split(',')[4]} it goes" for row in rows]
    (project.root / "rows.csv").write_text("\n".join([f"{header},text", *texts]) + "\n")
    project.compose(
        "experiment=numbers", "training.epochs=1", "fusion=align", "floors.fusion=align", f"evaluation.write={write}",
        "fields={text: {modality: {name: text}, encoder: {name: rnn, causal: true, bidirectional: false, width: 8}}}",
        "tasks={text: {name: generation, metrics: [perplexity, bleu], max_tokens: 4}}",
        "training.monitor=text/perplexity",
    )  # fmt: skip
    project.prepare()
    shared = Shared(project.root, ".mm/search/s/shared", project.values, installed())
    found = job(objectives=("text/bleu", "parameters")).run(project.values, "t/0", shared, never)
    assert found["values"] == [found["scores"]["text/bleu"], found["scores"]["parameters"]]
    assert found["scores"]["text/perplexity"] > 1


def test_a_score_that_no_task_gives_is_refused(project, shared):
    with pytest.raises(BuildError, match=r"kind/recall.*no task gives"):
        job(objectives=("kind/recall",)).better(project.values, shared)


def test_without_rows_to_judge_by_there_is_nothing_to_search(project, shared):
    rows = (project.root / "rows.csv").read_text().replace("validation", "train")
    (project.root / "rows.csv").write_text(rows)
    project.compose("data.split.validation=0")
    project.prepare()
    with pytest.raises(DataError, match="no validation rows for trials to be judged by"):
        job().better(project.values, shared)


def test_a_training_that_goes_wrong_says_why(project, shared):
    values = project.plan().project.settle({"training.lr": 0.1})
    values["training"] |= {"lr": 1e30, "clip_norm": None, "warmup": 0.0}
    with pytest.raises(TrainingError, match="the loss is"):
        job().run(values, "t/0", shared, never)
    assert np.isfinite(job().run(project.values, "t/1", shared, never)["values"][0])


def test_the_keys_of_a_trial_are_those_that_its_stages_read():
    for stage in (train, evaluate):
        assert set(stage.READS) <= set(KEYS)
