"""Thresholds for the best F1."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mm_tasks.categories import CategoriesModality
from mm_tasks.category import CategoryModality
from mm_tasks.classification import Classification
from mm_tasks.deciding import f1_threshold

from mmcore.errors import ConfigError
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part


def task_of(cells, modality, **settings):
    field = modality()
    field.fit(cells, Path())
    return Classification({"joint": 4}, {"answer": field}, target="answer", **settings)


def test_it_is_half_of_the_best_f1():
    score, true = np.array([0.9, 0.8, 0.8, 0.3, 0.1]), np.array([True, True, False, True, False])

    assert f1_threshold(score, true) == pytest.approx(6 / 7 / 2)


def test_where_probabilities_are_right_nothing_else_gives_a_better_f1():
    draw = np.random.default_rng(0)
    score = draw.beta(0.5, 1.5, 200_000)
    true = draw.random(len(score)) < score

    found = f1_threshold(score, true)

    def reached(threshold):
        said = score > threshold
        return 2 * (said & true).sum() / (said.sum() + true.sum())

    assert 0.2 < found < 0.4
    assert reached(found) > max(reached(threshold) for threshold in np.linspace(0.05, 0.95, 91)) - 1e-3
    assert reached(found) > reached(0.5) + 0.02


def test_scores_that_are_equal_are_said_together():
    assert f1_threshold(np.zeros(4), np.array([True, False, False, False])) == pytest.approx(2 / 5 / 2)


def test_where_none_is_true_nothing_is_learned():
    assert f1_threshold(np.array([0.2, 0.9]), np.array([False, False])) == 0.5


def test_two_classes_are_said_by_the_threshold_that_was_settled():
    task = task_of(["no", "yes"], CategoryModality, decide="f1")
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45], [0.2, 0.8]])
    truth = {"class": np.array([0, 0, 1, 1])}

    said = task.settle({"probabilities": probabilities}, truth)

    assert said == "yes is said above a probability of 0.500"
    task.choice.threshold.fill_(0.42)
    told = task.predict({"logits": torch.tensor(probabilities).log()})
    assert told["label"].tolist() == ["no", "no", "yes", "yes"]
    np.testing.assert_allclose(told["probability"], [0.9, 0.6, 0.45, 0.8], rtol=1e-6)
    scores = {name: metric(told, truth) for name, metric in task.metrics().items()}
    assert scores["f1"] == scores["accuracy"] == scores["macro_f1"] == scores["balanced_accuracy"] == 1
    assert task.floor({"class": np.array([0] * 11 + [1] * 9)}, 1)["label"].tolist() == ["yes"]


def test_each_label_has_a_threshold_of_its_own():
    task = task_of(["a; b", "a"], CategoriesModality, decide="f1")
    probabilities = np.array([[0.45, 0.9], [0.1, 0.7], [0.4, 0.6], [0.39, 0.1]])
    there = np.array([[True, True], [False, True], [True, True], [False, False]])

    said = task.settle({"probabilities": probabilities}, {"there": there})

    assert said == "2 labels are said above probabilities of 0.500 to 0.500"
    task.choice.thresholds.copy_(torch.tensor([0.395, 0.5]))
    told = task.predict({"logits": torch.tensor(probabilities).logit()})
    assert told["labels"].tolist() == ["a; b", "b", "a; b", ""]
    scores = {name: metric(told, {"there": there}) for name, metric in task.metrics().items()}
    assert scores["all_right"] == scores["micro_f1"] == scores["macro_f1"] == 1


def test_what_is_most_probable_is_said_where_nothing_else_is_asked_for():
    task = task_of(["no", "yes"], CategoryModality)
    before = dict(task.state_dict())

    assert task.settle({"probabilities": np.array([[0.9, 0.1]])}, {"class": np.array([1])}) is None
    assert not task.settles
    assert list(task.state_dict()) == list(before)


def test_more_than_two_classes_have_no_f1_of_one():
    with pytest.raises(ConfigError, match="decide: f1 needs two classes, or labels; the target 'answer' has 3 classes"):
        task_of(["a", "b", "c"], CategoryModality, decide="f1")


def test_bent_probabilities_and_a_threshold_that_counts_on_right_ones_do_not_go_together():
    with pytest.raises(ConfigError, match="needs probabilities that are right"):
        task_of(["no", "yes"], CategoryModality, decide="f1", class_weights="balanced")


def test_the_check_of_params_tells_so_before_there_is_any_data():
    settings = {"target": "answer", "decide": "f1", "class_weights": "balanced"}

    with pytest.raises(ConfigError, match=r"^tasks\.answer: decide: f1 needs probabilities that are right"):
        installed().task.check(Part("classification", settings), where="tasks.answer")
