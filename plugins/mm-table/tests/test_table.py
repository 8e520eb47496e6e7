"""What is special about the table modality: missing, infinite, never seen; scales; kinds of columns."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mm_table.modality import TableModality
from mm_table.modality.scale import Scale, known_labels

from mmcore.errors import ConfigError, DataError

ROWS = [{"age": age, "class": label} for age, label in [(20, "a"), (30, "b"), (40, "a"), (50, "b"), (90, "c")]]


def cell(**values) -> str:
    return json.dumps(values)


def fitted(rows=ROWS, **settings) -> TableModality:
    made = TableModality(**settings)
    made.fit([json.dumps(row) for row in rows], Path())
    return made


def read(modality: TableModality, **values) -> list[list[float]]:
    return modality.read(cell(**values), Path()).tolist()


def test_numbers_come_first_and_are_standardised():
    modality = fitted()
    assert modality.facts() == {
        "numbers": ("age",),
        "categories": ("class",),
        "cardinalities": (3,),
        "codes": ("class=", "class=a", "class=b"),
    }
    values = np.array([read(modality, **row)[0][0] for row in ROWS])
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)


def test_a_missing_number_is_the_median_and_says_so():
    modality = fitted()
    assert read(modality, age=None)[0] == [pytest.approx(read(modality, age=40)[0][0]), 0]
    assert read(modality)[0] == read(modality, age=None)[0] == read(modality, age=" ")[0]


def test_a_missing_category_is_another_thing_than_one_never_seen():
    modality = fitted()
    assert read(modality, age=20)[1] == [0, 0]
    assert read(modality, **{"class": "zebra"})[1] == [0, 1]


def test_rare_categories_count_as_never_seen():
    assert read(fitted(), **{"class": "c"})[1] == [0, 1]
    assert read(fitted(min_count=1), **{"class": "c"})[1] == [3, 1]


def test_a_row_with_everything_missing_is_read():
    assert read(fitted()) == [[pytest.approx(read(fitted(), age=40)[0][0]), 0], [0, 0]]


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_number_is_refused_or_missing_as_is_wished(value):
    with pytest.raises(DataError, match=r"column 'age' is -?inf.*infinite: missing"):
        read(fitted(), age=value)
    modality = fitted(infinite="missing")
    assert read(modality, age=value) == read(modality, age=None)


@pytest.mark.parametrize("infinite", ["refuse", "missing"])
def test_infinite_numbers_teach_nothing(infinite):
    rows = [*ROWS, {"age": math.inf, "class": "a"}]
    assert fitted(rows, infinite=infinite)._scales == fitted()._scales


def test_a_column_that_is_always_missing_is_kept_and_tells_nothing():
    modality = fitted([{**row, "empty": None} for row in ROWS])
    assert modality.facts()["categories"] == ("class", "empty")
    assert read(modality, empty=None)[2] == [0, 0]
    assert read(modality, empty="now there")[2] == [0, 1]


def test_one_text_makes_a_column_categories_unless_it_is_said_to_be_numbers():
    rows = [*ROWS, {"age": "old", "class": "a"}]
    assert fitted(rows).facts()["numbers"] == ()
    assert fitted(rows, numbers=("age",)).facts()["numbers"] == ("age",)


def test_a_number_may_be_said_to_be_a_category_and_is_the_same_as_its_text():
    modality = fitted([{"n": 1}, {"n": 2.0}], categories=("n",), min_count=1)
    assert modality.facts()["cardinalities"] == (3,)
    assert read(modality, n=2) == read(modality, n="2") == read(modality, n=2.0) == [[2, 1]]


def test_a_text_among_numbers_is_told_with_what_to_write():
    sizes = [*range(60, 99), "unknown"]
    modality = fitted([{"面积": size} for size in sizes])
    (told,) = modality.remarks()
    assert "column '面积' is taken for categories, although 39 of its 40 training cells are numbers" in told
    assert "'unknown' is none" in told
    assert "numbers: [面积], by which its row goes into quarantine" in told
    assert fitted([{"面积": str(size)} for size in sizes]).remarks() == (told,)  # as CSV has such a column
    assert fitted([{"面积": size} for size in sizes], numbers=("面积",)).remarks() == ()
    assert fitted([{"面积": size} for size in sizes], categories=("面积",)).remarks() == ()


def test_numbers_that_are_written_as_texts_are_told():
    (told,) = fitted([{"n": str(number)} for number in (1, 2, 3)]).remarks()
    assert "its 3 training cells are numbers, written as texts" in told


@pytest.mark.parametrize("cells", [["1,234", "2,345", "￥3"], ["2024-01-05", "2024-01-06", "2024-01-07"]])
def test_a_column_whose_cells_are_mostly_too_rare_is_told(cells):
    (told,) = fitted([{"n": text} for text in cells]).remarks()
    assert "3 of its 3 training cells are seen less than 2 times (min_count)" in told
    assert repr(cells[0]) in told
    assert fitted([{"n": text} for text in cells], min_count=1).remarks() == ()


def test_columns_that_are_what_they_look_like_are_not_remarked_on():
    assert fitted([*ROWS, {"age": "old", "class": "a"}], min_count=1).remarks() == ()  # a sixth is no slip
    assert fitted([*ROWS, {"empty": None}]).remarks() == ()


def test_what_is_remarked_stays_with_what_was_learned(tmp_path):
    modality = fitted([{"n": text} for text in ("1,234", "2,345", "3")])
    modality.save(tmp_path)
    assert TableModality.load(tmp_path).remarks() == modality.remarks() != ()
    learned = json.loads((tmp_path / "table.json").read_text())
    del learned["remarks"]  # by a version that had none
    (tmp_path / "table.json").write_text(json.dumps(learned))
    assert TableModality.load(tmp_path).remarks() == ()


def test_true_and_false_are_categories_as_words_too():
    modality = fitted([{"b": True}, {"b": False}], min_count=1)
    assert read(modality, b=True) == read(modality, b="true") != read(modality, b=False)


def test_a_number_may_come_as_a_text_in_use():
    assert read(fitted(), age="30") == read(fitted(), age=30)


def test_a_text_is_what_the_same_text_was_in_a_column_of_numbers():
    modality = fitted([{"age": 20, "class": label} for label in (1.0, 1.0, 0.5, 0.5)], categories=("class",))
    assert read(modality, **{"class": "1.0"})[1] == read(modality, **{"class": 1.0})[1] == [2, 1]
    assert read(modality, **{"class": "0.50"})[1] == read(modality, **{"class": 0.5})[1] == [1, 1]
    assert read(modality, age="nan") == read(modality, age=None)
    versions = fitted([{"age": 20, "class": label} for label in ("1.10", "1.10", "1.1", "1.1", "x", "x")])
    assert read(versions, **{"class": "1.10"})[1] != read(versions, **{"class": "1.1"})[1]


def test_a_text_that_was_never_seen_is_not_taken_for_another_that_is_the_same_number():
    versions = fitted([{"age": 20, "class": label} for label in ("1.1", "1.1", "beta", "beta")])
    assert read(versions, **{"class": "1.10"})[1] == [0, 1]
    codes = fitted([{"age": 20, "class": label} for label in (7, 7, 8, 8)], categories=("class",))
    assert read(codes, **{"class": "007"})[1] == [0, 1]
    assert read(codes, **{"class": "7.0"})[1] == [1, 1]


def test_a_misspelt_column_is_told_with_the_one_that_was_meant():
    with pytest.raises(DataError, match=r"a column 'agee'. Did you mean 'age'"):
        read(fitted(), agee=3)
    with pytest.raises(ConfigError, match=r"no column 'clas'. Did you mean 'class'"):
        fitted(categories=("clas",))


def test_a_column_cannot_be_both():
    with pytest.raises(ConfigError, match="age among numbers and categories"):
        TableModality(numbers=("age",), categories=("age",))


def test_nothing_to_learn_from_is_told():
    with pytest.raises(DataError, match="no cell with columns"):
        fitted([])


def test_an_outlier_stays_finite_in_half_precision():
    found = np.float16(read(fitted(), age=1e300)[0][0])
    assert np.isfinite(found)


def test_numbers_near_the_end_of_floats_can_be_learned():
    modality = fitted([{"n": 1e300}, {"n": -1e300}, {"n": 1e299}])
    assert np.isfinite(read(modality, n=5e299)).all()


def test_numbers_that_are_all_alike_become_zero():
    assert read(fitted([{"n": 0.1}] * 7), n=0.1) == [[pytest.approx(0, abs=1e-6), 1]]


def test_quantiles_make_a_bell_of_a_long_tail():
    numbers = np.exp(3 * np.random.default_rng(0).normal(size=4000)).tolist()
    scale = Scale.of(numbers, "quantile")
    values = np.array([scale(number) for number in numbers])
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(1, abs=0.02)
    assert [scale(number) for number in sorted(numbers)[::100]] == sorted(values.tolist())[::100]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_number_that_all_have_is_the_middle_of_its_quantiles(count):
    assert Scale.of([5.0] * count, "quantile")(5.0) == pytest.approx(0)


def test_quantiles_agree_with_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    numbers = np.random.default_rng(1).integers(0, 40, 500).astype(float)  # with many that are equal
    theirs = preprocessing.QuantileTransformer(n_quantiles=500, output_distribution="normal", subsample=None)
    theirs.fit(numbers[:, None])
    asked = [-5.0, 3.0, 7.0, 12.5, 31.0, 80.0]  # not the ends: of many equal ones theirs are 5.2 away
    scale = Scale.of(numbers.tolist(), "quantile")
    found = [scale(number) for number in asked]
    assert found == pytest.approx(theirs.transform(np.array(asked)[:, None])[:, 0].tolist(), abs=0.02)


@pytest.mark.parametrize("kind", ["standard", "quantile"])
def test_a_scale_leads_back(kind):
    scale = Scale.of([1.0, 2.0, 5.0, 9.0], kind)
    assert [scale.back(scale(number)) for number in (1.0, 3.0, 9.0)] == pytest.approx([1, 3, 9], abs=1e-3)


def test_labels_are_sorted_and_counted():
    assert known_labels(["b", "a", "b", "a", "c"], min_count=2) == ("a", "b")


def test_a_report_shows_every_column():
    modality = fitted()
    shown = [modality.show(modality.read(cell(**row), Path()))[1] for row in ({"age": 50, "class": "b"}, {})]
    assert shown == ["age 50, class b", "age missing, class missing"]
    assert modality.show(modality.read('{"class": "z"}', Path()))[1].endswith("class never seen")
