"""What is special about categories and numbers."""

from pathlib import Path

import pytest
import torch
from mm_tasks.category import CategoryModality
from mm_tasks.number import NumberModality

from mmcore.errors import DataError


def fitted(cells):
    modality = CategoryModality()
    modality.fit(cells, Path())
    return modality


def test_classes_are_sorted_and_counted():
    facts = fitted(["b", "a", "b"]).facts()
    assert facts == {"classes": ("a", "b"), "counts": (1, 2)}


@pytest.mark.parametrize("cells", [["a", "a"], [], ["a", " "]])
def test_fewer_than_two_classes_teach_nothing(cells):
    with pytest.raises(DataError, match="At least two"):
        fitted(cells)


def test_a_class_that_training_never_saw_is_told_with_the_nearest_one():
    with pytest.raises(DataError, match=r"class 'gren' does not occur in the training split. Did you mean 'green'"):
        fitted(["red", "green"]).read("gren", Path())


def test_a_whole_number_is_one_label_however_it_is_written():
    modality = fitted([1, 2.0])
    assert modality.facts()["classes"] == ("1", "2")
    assert modality.read("2", Path()) == modality.read(2, Path()) == modality.read(2.0, Path())


def test_numbers_are_standardised():
    modality = NumberModality()
    modality.fit([10.0, 20.0, 30.0], Path())
    field = modality.prepare(modality.collate([modality.read(n, Path()) for n in (10, 20, 30)]))
    assert field.values.mean().item() == pytest.approx(0, abs=1e-6)
    assert field.values.std(correction=0).item() == pytest.approx(1)


def test_large_numbers_that_differ_little_stay_apart():
    modality = NumberModality()
    modality.fit([1e9, 1e9 + 1], Path())
    field = modality.prepare(modality.collate([modality.read(n, Path()) for n in (1e9, 1e9 + 1)]))
    torch.testing.assert_close(field.values, torch.tensor([-1.0, 1.0]))


@pytest.mark.parametrize("number", [5.0, 0.1, 0.7])
def test_one_number_all_over_is_no_division_by_zero(number):
    """Nor by what is left of 0.1 + 0.1 + 0.1, divided by 3, less 0.1."""
    modality = NumberModality()
    modality.fit([number] * 3, Path())
    assert modality.facts()["std"] == 1
    assert modality.prepare(modality.collate([modality.read(5, Path())])).values.tolist() == pytest.approx([5 - number])


def test_numbers_whose_squares_are_none_are_standardised_too():
    modality = NumberModality()
    modality.fit([1e200, -1e200, 0.0], Path())
    field = modality.prepare(modality.collate([modality.read(n, Path()) for n in (1e200, -1e200, 0)]))
    torch.testing.assert_close(field.values, torch.tensor([1.5**0.5, -(1.5**0.5), 0]))


def test_numbers_that_are_none_are_refused_with_what_was_given():
    with pytest.raises(DataError, match=r"'12 apples' is no finite number"):
        NumberModality().read("12 apples", Path())


def test_a_whole_number_that_no_float_holds_is_refused():
    with pytest.raises(DataError, match="is no finite number"):
        NumberModality().read(10**400, Path())


def test_a_column_without_numbers_teaches_nothing():
    with pytest.raises(DataError, match="no finite number"):
        NumberModality().fit(["a", "nan"], Path())
