from mmcore.report.confusion import SHOWN, Confusion


def test_rows_are_what_is_true_and_columns_what_was_said():
    found = Confusion.of([("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")])

    assert found.labels == ["a", "b"]
    assert [[cell.count for cell in row] for row in found.rows] == [[1, 1], [0, 2]]
    assert found.totals == [2, 2]
    assert [[cell.share for cell in row] for row in found.rows] == [[0.5, 0.5], [0.0, 1.0]]


def test_the_most_frequent_mistakes_come_first():
    found = Confusion.of([("a", "b")] * 3 + [("b", "a")] * 5 + [("a", "a")])

    assert [(one.actual, one.predicted, one.count) for one in found.mistakes] == [("b", "a", 5), ("a", "b", 3)]


def test_a_class_that_was_only_said_has_a_row_of_nothing():
    found = Confusion.of([("a", "b")])

    assert found.totals == [1, 0]
    assert [cell.share for cell in found.rows[1]] == [0.0, 0.0]


def test_one_class_alone_is_a_matrix_too():
    found = Confusion.of([("a", "a")] * 4)

    assert found.labels == ["a"]
    assert not found.mistakes


def test_of_many_classes_the_most_frequent_are_shown():
    pairs = [(f"{n:03}", f"{n:03}") for n in range(100) for _ in range(n + 1)]

    found = Confusion.of(pairs)

    assert len(found.labels) == SHOWN
    assert "099" in found.labels
    assert found.left_out == 100 - SHOWN


def test_no_rows_give_no_matrix():
    assert Confusion.of([]) is None
