"""What rows look like, and whether later ones still do."""

import json

import numpy as np
import pytest

from mmcore.data.collecting import Collected
from mmcore.data.intake import Sample, Wanted
from mmcore.data.profile import changes, kolmogorov, profile_of
from tests.data.pieces import in_pieces


def manifest(**columns):
    count = len(next(iter(columns.values())))
    collected = Collected(Wanted({name: name for name in columns}))
    for row in range(count):
        collected.add(Sample(str(row), {name: cells[row] for name, cells in columns.items()}))
    return collected.manifest(groups=in_pieces(["g"] * count), splits=in_pieces(["train"] * count))


def profile(columns=None, like=None, **cells):
    made = manifest(**cells)
    names = columns or {name: name for name in cells}
    return profile_of(made, np.arange(len(made)), names, like=like)


def test_labels_numbers_and_texts_are_told_apart():
    draw = np.random.default_rng(0)
    found = profile(
        label=["a", "b"] * 100,
        number=draw.normal(size=200).tolist(),
        text=[f"{'word ' * (1 + row % 9)}{row}" for row in range(200)],
    )
    assert found["label"]["labels"] == {"a": 0.5, "b": 0.5}
    assert len(found["number"]["numbers"]) == len(found["text"]["lengths"]) == 21


def test_missing_cells_are_counted():
    assert profile(label=["a", None, "b", None])["label"]["missing"] == 0.5
    assert profile(label=[None, None])["label"] == {"rows": 2, "missing": 1.0}


def test_of_several_columns_each_is_looked_at():
    cells = [json.dumps({"a": str(row / 7), "b": "x"}) for row in range(100)]
    found = profile({"row": ("a", "b")}, row=cells)
    assert set(found) == {"row.a", "row.b"}
    assert "numbers" in found["row.a"]


def test_a_cell_of_several_columns_is_taken_apart_once_for_all_of_them(monkeypatch):
    cells = [json.dumps({"a": row / 7, "b": str(row), "c": None}) for row in range(100)]
    taken, loads = list[str](), json.loads
    monkeypatch.setattr("mmcore.data.profile.json.loads", lambda text: taken.append(text) or loads(text))
    found = profile({"row": ("a", "b", "c")}, row=[*cells, None])
    assert taken == cells
    assert (found["row.b"]["missing"], found["row.c"]["missing"]) == (1 / 101, 1.0)


def test_few_new_rows_are_looked_at_as_the_old_ones_were():
    old = profile(number=[row / 7 for row in range(200)])
    assert "numbers" in profile(number=[row / 7 for row in range(10)], like=old)["number"]
    labels = profile(label=["a", "b"] * 50)
    many = profile(label=[str(row) for row in range(100)], like=labels)
    assert "labels" in many["label"]


def drifted(old, new):
    return {(one.field, one.what) for one in changes(old, profile(like=old, **new)) if one.drifted}


@pytest.mark.parametrize("type_again", [float, str])
def test_a_column_that_a_new_cell_re_types_has_not_drifted(type_again):
    columns, labels = {"label": "label", "both": ("a",)}, [row % 3 for row in range(400)]
    again = [type_again(label) for label in labels]
    then, now = (
        profile(columns, label=cells, both=[json.dumps({"a": cell}) for cell in cells]) for cells in (labels, again)
    )
    assert [one.what for one in changes(then, now) if one.drifted] == []


def test_a_text_among_new_numbers_is_missing_and_hides_nothing_of_the_others():
    old = profile(number=[row / 7 for row in range(500)])
    again, moved = ([*(str(row / 7 + step) for row in range(499)), "n/a"] for step in (0, 50))
    assert drifted(old, {"number": again}) == set()
    assert drifted(old, {"number": moved}) == {("number", "numbers")}
    assert profile(number=again, like=old)["number"]["missing"] == 1 / 500
    assert drifted(old, {"number": ["n/a"] * 500}) == {("number", "missing")}


def test_what_is_drawn_alike_has_not_drifted():
    draw = np.random.default_rng(0)

    def rows(count):
        return {
            "number": draw.normal(size=count).tolist(),
            "label": draw.choice(["a", "b", "c"], count).tolist(),
            "text": ["x" * int(size) for size in draw.integers(1, 90, count)],
        }

    old = profile(**rows(5000))
    assert [drifted(old, rows(count)) for count in (50, 500, 5000)] == [set()] * 3


@pytest.mark.parametrize(
    ("name", "cells", "what"),
    [
        ("number", [float(row) / 100 + 30 for row in range(500)], "numbers"),
        ("label", ["a"] * 490 + ["new"] * 10, "labels"),
        ("text", ["x" * 300 + str(row) for row in range(500)], "lengths"),
        ("label", [None] * 400 + ["a"] * 50 + ["b"] * 50, "missing"),
    ],
)
def test_what_has_changed_is_named(name, cells, what):
    old = profile(
        number=[float(row) / 100 for row in range(500)],
        label=["a", "b"] * 250,
        text=["x" * (1 + row % 90) for row in range(500)],
    )
    assert drifted(old, {name: cells}) == {(name, what)}


def test_the_distance_of_quantiles_is_kolmogorov_s():
    steps = np.linspace(0, 1, 21).tolist()
    assert kolmogorov(steps, steps) == 0
    assert kolmogorov(steps, [value + 2 for value in steps]) == 1
    assert kolmogorov(steps, [value + 0.3 for value in steps]) == pytest.approx(0.3, abs=0.01)
    assert kolmogorov([5.0] * 21, [5.0] * 21) == 0
