import base64
import io
import re
import wave

import matplotlib.image
import numpy as np
import pytest

from mmcore.report.examples import choose
from mmcore.report.pieces import MOST_SECONDS, THUMBNAIL, data_uri, piece, thumbnail


def chosen(scores, *, groups=None, confidence=None, better="up", count=3):
    ids = [f"row-{n}" for n in range(len(scores))] if scores is not None else [f"row-{n}" for n in range(9)]
    groups = list(range(len(ids))) if groups is None else groups
    return choose(scores, ids=ids, groups=groups, confidence=confidence, better=better, count=count)


def test_right_and_wrong_answers_are_told_apart():
    wrong, right = chosen(np.array([1, 0, 1, 1, 0, 1.0]))

    assert set(wrong.rows.tolist()) == {1, 4}
    assert (wrong.right, right.right) == (False, True)
    assert len(right.rows) == 3
    assert set(right.rows.tolist()) <= {0, 2, 3, 5}


def test_the_surest_mistakes_come_first():
    wrong, _ = chosen(np.array([0, 0, 1, 0.0]), confidence=np.array([0.5, 0.9, 1.0, 0.7]))

    assert wrong.rows.tolist() == [1, 3, 0]


def test_rows_of_a_group_that_was_shown_wait_until_the_others_were():
    right = chosen(np.ones(6), groups=[7, 7, 7, 7, 8, 9])[1]

    assert len({[7, 7, 7, 7, 8, 9][row] for row in right.rows}) == 3


def test_a_group_is_shown_again_where_there_is_no_other():
    assert len(chosen(np.ones(4), groups=[7, 7, 7, 7])[1].rows) == 3


def test_the_same_rows_are_shown_each_time():
    once, again = chosen(np.ones(50)), chosen(np.ones(50))

    assert once[1].rows.tolist() == again[1].rows.tolist()


@pytest.mark.parametrize(("better", "best", "worst"), [("down", 1, 2), ("up", 2, 1)])
def test_answers_that_are_more_or_less_good_give_the_best_and_the_worst(better, best, worst):
    first, last = chosen(np.array([2.5, 0.1, 9.0, 3.0]), better=better, count=1)

    assert (first.rows.tolist(), last.rows.tolist()) == ([best], [worst])
    assert first.right is None


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_where_there_are_few_no_answer_is_both_of_the_best_and_of_the_worst(rows):
    first, last = chosen(np.arange(rows) + 0.5, count=4)

    shown = [*first.rows.tolist(), *last.rows.tolist()]
    assert sorted(shown) == list(range(rows))
    assert min(first.rows) > max(last.rows)


def test_a_metric_without_scores_of_rows_gives_any_answers():
    (any_of_them,) = chosen(None)

    assert len(any_of_them.rows) == 3


def test_all_right_leaves_no_wrong_ones():
    wrong, _ = chosen(np.ones(5))

    assert len(wrong.rows) == 0
    assert "0 of 5" in wrong.title


def test_what_an_absent_field_shows_is_said():
    assert "not given" in piece(None)


def test_texts_cannot_bring_markup_into_the_page():
    assert "<script>" not in piece(("text", "<script>alert(1)</script>"))


def test_a_kind_that_nobody_knows_is_shown_as_text():
    assert "42" in piece(("from the future", 42))


def test_a_picture_becomes_a_data_address_that_reads_back():
    picture = np.random.default_rng(0).integers(0, 4, (20, 30, 3), dtype=np.uint8) * 60

    kind, content = data_uri(picture).split(",")

    assert kind == "data:image/png;base64"
    read = matplotlib.image.imread(io.BytesIO(base64.b64decode(content)))
    assert np.array_equal((read[:, :, :3] * 255).round().astype(np.uint8), picture)


def test_a_photograph_becomes_a_jpeg():
    rows, columns = np.mgrid[0:190, 0:190]
    smooth = np.stack([rows, columns, (rows * columns) % 251], 2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 9, smooth.shape, dtype=np.uint8)

    assert data_uri(smooth // 2 + noise).startswith("data:image/jpeg")


@pytest.mark.parametrize("shape", [(1000, 700), (5000, 3), (2, 900), (193, 193), (5, 5)])
def test_a_thumbnail_is_small_and_keeps_its_mean(shape):
    picture = np.full((*shape, 3), 77, dtype=np.uint8)

    small = thumbnail(picture)

    assert max(small.shape[:2]) <= THUMBNAIL
    assert min(small.shape[:2]) >= 1
    assert (small == 77).all()


def test_a_sound_can_be_heard_and_seen():
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)

    html = piece(("wave", (tone, 8000)))
    content = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])

    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (8000, 8000, 1)
        read = np.frombuffer(file.readframes(8000), dtype="<i2") / 32767
    assert np.abs(read - tone).max() < 1e-3
    assert html.count("V") > 100
    assert "1.00 s" in html


def test_a_long_sound_is_only_drawn():
    html = piece(("wave", (np.zeros((MOST_SECONDS + 1) * 100, dtype=np.float32), 100)))

    assert "audio" not in html
    assert "<path" in html


def test_the_shortest_sound_is_shown_too():
    assert "0.00 s" in piece(("wave", (np.zeros(1, dtype=np.float32), 16000)))
