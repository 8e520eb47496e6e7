"""What is special about classification."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mm_tasks.category import CategoryModality
from mm_tasks.classification import Classification
from mm_tasks.metrics import Accuracy, BalancedAccuracy, CrossEntropy, MacroF1
from mm_tasks.number import NumberModality

from mmcore.errors import BuildError
from mmcore.interfaces.field import Batch, Field


@pytest.fixture
def fields():
    colour, size = CategoryModality(), NumberModality()
    colour.fit(["red", "red", "red", "green", "blue"], Path())
    size.fit([1.0, 2.0], Path())
    return {"colour": colour, "size": size}


@pytest.fixture
def tables():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(4), 200)
    number = draw.integers(0, 3, 200)  # the fourth class is never there, but predicted
    return {"probabilities": probabilities}, {"class": number}


def test_a_target_without_classes_is_refused_with_those_that_have_some(fields):
    with pytest.raises(BuildError, match=r"target 'size' is no field of classes. Fields of classes: colour"):
        Classification({"joint": 4}, fields, target="size")


def test_accuracy_is_what_it_is_judged_by(fields):
    assert next(iter(Classification({"joint": 4}, fields, target="colour").metrics())) == "accuracy"


def test_the_floor_says_the_most_frequent_class_with_its_share(fields):
    task = Classification({"joint": 4}, fields, target="colour")
    floor = task.floor({"class": np.array([2, 2, 2, 1, 0])}, 7)
    assert set(floor["label"]) == {"red"}
    assert floor["probability"].tolist() == [0.6] * 7
    np.testing.assert_allclose(floor["probabilities"][0], [0.2, 0.2, 0.6])


def test_balanced_weights_make_every_class_count_as_much(fields):
    task = Classification({"joint": 4}, fields, target="colour", class_weights="balanced")
    counts = torch.tensor([1.0, 1.0, 3.0])
    torch.testing.assert_close(task.choice.weights * counts, torch.full((3,), 5 / 3))


def test_weights_of_classes_are_those_of_the_data_whatever_model_a_training_starts_from(fields):
    even = CategoryModality()
    even.fit(["red", "green", "blue"], Path())
    task = Classification({"joint": 4}, fields, target="colour", class_weights="balanced")
    wanted = task.choice.weights.clone()
    before = Classification({"joint": 4}, {"colour": even}, target="colour", class_weights="balanced")
    task.load_state_dict(before.state_dict())
    assert torch.equal(task.choice.weights, wanted)


def test_predictions_name_the_likeliest_class(fields):
    task = Classification({"joint": 4}, fields, target="colour")
    found = task.predict({"logits": torch.tensor([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])})
    assert found["label"].tolist() == ["green", "red"]
    np.testing.assert_allclose(found["probability"], found["probabilities"].max(1))


def test_the_loss_of_one_row_is_its_cross_entropy(fields):
    task = Classification({"joint": 4}, fields, target="colour")
    logits = torch.randn(1, 3)
    batch = Batch({"colour": Field(torch.tensor([1]), torch.tensor([True]))}, torch.tensor([0]), torch.tensor([0]))
    expected = -logits.log_softmax(1)[0, 1]
    torch.testing.assert_close(task.loss({"logits": logits}, batch)["cross_entropy"], expected)


def test_metrics_agree_with_scikit_learn(tables):
    reference = pytest.importorskip("sklearn.metrics")
    predictions, truth = tables
    told, number = predictions["probabilities"].argmax(1), truth["class"]
    assert Accuracy()(predictions, truth) == pytest.approx((told == number).mean())
    with pytest.warns(UserWarning, match="classes not in y_true"):
        expected = reference.balanced_accuracy_score(number, told)
    assert BalancedAccuracy()(predictions, truth) == pytest.approx(expected)
    f1 = reference.f1_score(number, told, average="macro", zero_division=0.0)
    assert MacroF1()(predictions, truth) == pytest.approx(f1)


def test_a_sure_mistake_costs_a_lot_but_not_everything():
    predictions = {"probabilities": np.array([[1.0, 0.0]])}
    assert CrossEntropy()(predictions, {"class": np.array([1])}) == pytest.approx(27.6, abs=0.1)
