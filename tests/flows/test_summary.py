import json

import pytest
from rich.console import Console

from flows.outcome import Outcome, Status
from flows.summary import outcome_table, read_scores, score_line, score_table
from mmcore.errors import ArtifactError

METRICS = {
    "split": "test",
    "n": 9673,
    "answer/cross_entropy": 0.07,
    "answer/accuracy": 0.9812,
    "answer/accuracy/low": 0.978,
    "answer/accuracy/high": 0.984,
    "answer/accuracy/floor/majority": 0.373,
    "answer/accuracy/without/image": 0.6,
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "params.yaml").write_text("training: {monitor: answer/accuracy}")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "metrics.json").write_text(json.dumps(METRICS))
    return tmp_path


def shown(table):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_watched_metric_comes_first_with_its_interval_and_floors(root):
    first, second = read_scores(root)
    assert (first.name, first.value, first.interval) == ("answer/accuracy", 0.9812, (0.978, 0.984))
    assert first.floors == {"majority": 0.373}
    assert (second.name, second.interval) == ("answer/cross_entropy", None)


def test_the_score_stands_beside_its_floors(root):
    _, head, _, row, *_ = shown(score_table(read_scores(root))).splitlines()
    assert cells(head) == ["score", "value", "95 % interval", "majority"]
    assert cells(row) == ["answer/accuracy", "0.9812", "0.9780 to 0.9840", "0.3730"]


def cells(line):
    return [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]


def test_one_line_says_score_and_interval(root):
    assert score_line(read_scores(root)[0]) == "answer/accuracy 0.9812 (0.9780 to 0.9840)"


def test_no_metrics_are_no_scores(tmp_path):
    assert read_scores(tmp_path) == []


def test_metrics_that_are_cut_off_are_named(root):
    (root / "artifacts" / "metrics.json").write_text('{"n": 1')
    with pytest.raises(ArtifactError, match=r"metrics\.json is not JSON"):
        read_scores(root)


def test_a_stage_that_failed_says_so_in_its_first_line():
    table = shown(outcome_table([Outcome("train", Status.FAILED, 1.26, "no GPU\nmore of it")]))
    assert "train" in table
    assert "failed" in table
    assert "1.3" in table
    assert "no GPU" in table
    assert "more of it" not in table


def test_brackets_in_a_reason_are_text():
    assert "[bold]" in shown(outcome_table([Outcome("train", Status.FAILED, 1.0, "no key [bold]")]))
