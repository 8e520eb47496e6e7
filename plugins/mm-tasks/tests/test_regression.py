"""What is special about regression and about sets of labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mm_tasks.categories import CategoriesModality
from mm_tasks.category import CategoryModality
from mm_tasks.classification import Classification
from mm_tasks.number import NumberModality
from mm_tasks.regression import Regression

from mmcore.errors import BuildError, ConfigError, DataError
from mmcore.interfaces.field import Batch, Field


def sizes(*numbers):
    size = NumberModality()
    size.fit([10.0, 20.0, 30.0], Path())
    arrays = [None if number is None else np.asarray(number) for number in numbers]
    field = size.prepare(size.collate(arrays))
    return {"size": size}, Batch({"size": field}, row=torch.arange(len(field)), group=torch.arange(len(field)))


def test_what_is_told_and_what_is_true_are_in_the_targets_own_units():
    fields, given = sizes(10.0, 35.0)
    task = Regression({"joint": 2}, fields, target="size")
    np.testing.assert_allclose(task.truth(given)["value"], [10, 35], rtol=1e-6)
    told = task.predict({"standard": given.fields["size"].values})["value"]
    np.testing.assert_allclose(told, [10, 35], rtol=1e-6)


@pytest.mark.parametrize(("error", "expected"), [("mse", (4 + 0.25) / 2), ("mae", 1.25), ("huber", (1.5 + 0.125) / 2)])
def test_errors_are_counted_in_deviations(error, expected):
    fields, _ = sizes(10.0)
    task = Regression({"joint": 2}, fields, target="size", error=error)
    field = Field(torch.tensor([0.0, 0.0]), torch.tensor([True, True]))
    given = Batch({"size": field}, row=torch.arange(2), group=torch.arange(2))
    assert task.loss({"standard": torch.tensor([2.0, -0.5])}, given)[error].item() == pytest.approx(expected)


def test_the_mean_is_the_floor_and_explains_nothing():
    fields, given = sizes(10.0, 20.0, 60.0)
    task = Regression({"joint": 2}, fields, target="size")
    truth = task.truth(given)
    assert task.metrics()["r2"](task.floor(truth, 3), truth) == pytest.approx(0)


def test_a_missing_number_is_no_zero():
    fields, given = sizes(10.0, None)
    task = Regression({"joint": 2}, fields, target="size")
    loss = task.loss({"standard": torch.tensor([given.fields["size"].values[0].item(), 99.0])}, given)
    assert loss["mse"].item() == 0


def test_a_target_that_is_no_number_is_refused_with_those_that_are():
    fields, _ = sizes(10.0)
    colour = CategoryModality()
    colour.fit(["red", "green"], Path())
    with pytest.raises(BuildError, match=r"target 'colour' is no field of numbers. Fields of numbers: size"):
        Regression({"joint": 2}, {"colour": colour, **fields}, target="colour")


def tags(*cells):
    found = CategoriesModality()
    found.fit(["red; round", "red", ";"], Path())
    field = found.collate([found.read(cell, Path()) for cell in cells])
    return {"tags": found}, Batch({"tags": field}, row=torch.arange(len(field)), group=torch.arange(len(field)))


def test_labels_are_told_each_for_itself():
    fields, given = tags("red; round", ";", "round")
    task = Classification({"joint": 2}, fields, target="tags")
    logits = torch.tensor([[3.0, 3.0], [-3.0, -3.0], [3.0, -3.0]])
    told, truth = task.predict({"logits": logits}), task.truth(given)
    assert told["labels"].tolist() == ["red; round", "", "red"]
    assert truth["labels"].tolist() == ["red; round", "", "round"]
    assert task.metrics()["all_right"](told, truth) == pytest.approx(2 / 3)


def test_a_cell_may_say_that_there_is_no_label_but_an_empty_one_says_nothing():
    fields, _ = tags("red")
    assert fields["tags"].read(" ; ", Path()).tolist() == [0, 0]
    with pytest.raises(DataError, match=r"holds no label.*write ';' for none"):
        fields["tags"].read("  ", Path())


def test_a_list_gives_its_items_as_labels_and_an_empty_one_says_that_there_are_none():
    found = CategoriesModality()
    found.fit(['["red", "round"]', '["red"]', "[]", '["of iron; old", 2]'], Path())
    assert found.facts()["labels"] == ("2", "of iron; old", "red", "round")
    assert found.read('["round"]', Path()).tolist() == found.read("round", Path()).tolist() == [0, 0, 0, 1]
    assert found.read("[]", Path()).tolist() == [0, 0, 0, 0]


def test_a_text_in_brackets_that_is_no_list_is_a_label():
    found = CategoriesModality()
    found.fit(["[cut]; red"], Path())
    assert found.facts()["labels"] == ("[cut]", "red")


def test_balanced_labels_weigh_rows_that_have_them_as_much_as_the_others():
    fields, _ = tags("red")
    task = Classification({"joint": 2}, fields, target="tags", class_weights="balanced")
    assert task.choice.weights.tolist() == [0.5, 2.0]  # 2 of 3 rows are red, 1 of 3 is round


def test_the_positive_class_is_one_of_two():
    answer = CategoryModality()
    answer.fit(["no", "yes"], Path())
    by_default = Classification({"joint": 2}, {"answer": answer}, target="answer")
    assert by_default.choice.positive == 1
    assert Classification({"joint": 2}, {"answer": answer}, target="answer", positive="no").choice.positive == 0
    with pytest.raises(ConfigError, match=r"positive: 'perhaps' must be one of two classes.*no, yes"):
        Classification({"joint": 2}, {"answer": answer}, target="answer", positive="perhaps")
