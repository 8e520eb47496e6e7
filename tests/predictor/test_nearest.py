"""The nearest vectors are those that sorting all of them finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmcore.predictor.vectors import lines_of, nearest


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 4), st.integers(1, 70))
def test_rows_and_order_are_those_of_a_stable_sort_of_all(seed, count, asked, top):
    draw = np.random.default_rng(seed)
    vectors = draw.integers(-2, 3, (count, 3)).astype(np.float32)  # few values: many are equally near
    questions = draw.integers(-2, 3, (asked, 3)).astype(np.float32)
    rows, products = nearest(vectors, questions, top=top)
    near = questions @ vectors.T
    expected = np.argsort(-near, axis=1, kind="stable")[:, :top]
    assert np.array_equal(rows, expected)
    assert np.array_equal(products, np.take_along_axis(near, expected, 1))


def test_a_byte_order_mark_is_no_part_of_the_first_text(tmp_path):
    (tmp_path / "names.txt").write_text("a red cat\ntwo\n", encoding="utf-8-sig")
    assert [thing.name for thing in lines_of(tmp_path / "names.txt")] == ["a red cat", "two"]


def test_a_line_is_one_text_whatever_signs_stand_in_it(tmp_path):
    (tmp_path / "names.txt").write_text("one\u2028two\n\nthree\x85four\n", encoding="utf-8")
    assert [thing.name for thing in lines_of(tmp_path / "names.txt")] == ["one\u2028two", "three\x85four"]
