"""A model of another day on today's rows: its fields are known again by what they were made of."""

import json

import pytest

from mmcore.errors import DataError
from mmcore.stages import compare
from mmcore.stages.drift import drift_of
from tests.stages import table

PART = {"fit": [], "code": "", "package": None}
NUMBER = {
    **PART, "column": ["x"], "modality": {"name": "table"}, "encoder": {"name": "table-mlp", "widths": [8]},
}  # fmt: skip
LABEL = {**PART, "column": "label", "modality": {"name": "category"}}
LINES = table.rows(300)


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """Where a model of the fields `x` and `label` lies, with its scores."""
    return table.trained(tmp_path_factory.mktemp("champion"), LINES)[1]


def today(folder, lines=LINES, head=table.HEAD, **fields):
    """The same rows with other fields."""
    table.write(folder, lines)
    (folder / "table.csv").write_text("\n".join([head, *lines]) + "\n")
    named = {name: {**field, "fit": [name]} for name, field in fields.items()}
    settings = table.params(folder, fields=named)
    return settings, table.prepare(folder, settings)


def with_itself(champion, project):
    return compare.run(*project, champion=champion.model, challenger=champion.model)


def same_scores(champion, found):
    metrics = json.loads(champion.metrics.read_text())
    return found.n == metrics["n"] and all(
        one.first == pytest.approx(metrics[name]) for name, one in found.scores.items()
    )


def test_a_field_that_has_another_name_today_is_known_again_by_its_columns(champion, tmp_path):
    found = with_itself(champion, today(tmp_path, number=NUMBER, answer=LABEL))
    assert same_scores(champion, found)
    assert found.notes == []


def test_a_name_that_means_another_column_today_does_not_take_the_place_of_the_column(champion, tmp_path):
    other = {**NUMBER, "column": ["region"]}
    assert same_scores(champion, with_itself(champion, today(tmp_path, x=other, number=NUMBER, label=LABEL)))


def test_a_column_that_no_field_of_today_is_made_of_is_read_from_the_source(champion, tmp_path):
    other = {**NUMBER, "column": ["id", "region"]}
    assert same_scores(champion, with_itself(champion, today(tmp_path, place=other, label=LABEL)))


def test_more_columns_in_a_field_leave_the_model_in_use_those_that_it_knows(champion, tmp_path):
    more = {**NUMBER, "column": ["x", "region"]}
    assert same_scores(champion, with_itself(champion, today(tmp_path, x=more, label=LABEL)))


def test_without_what_it_looks_at_a_model_is_not_judged(champion, tmp_path):
    cells = [line.split(",") for line in LINES]
    lines = [",".join([name, *rest]) for name, _, *rest in cells]
    project = today(tmp_path, lines, "id,region,label", place={**NUMBER, "column": ["id", "region"]}, label=LABEL)
    with pytest.raises(DataError, match=r"looks at 'x' \(of 'x'\), which today's data does not have.*region"):
        with_itself(champion, project)


def test_drift_looks_at_the_columns_too(champion, tmp_path):
    more = LINES + table.rows(60, start=300, seed=3, shift=1.5)
    found = drift_of(*today(tmp_path, more, number=NUMBER, label=LABEL), champion.model)
    assert 30 <= found["rows"] <= 60
    assert any("x.x" in what for what in found["asks"])
