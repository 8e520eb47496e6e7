"""Fields of several columns, and rows that a source itself finds broken."""

import json

import pytest

from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.source import BrokenRow
from tests.stages.project import Project, RowsSource, pictures

ROWS = [{"age": 3, "class": "a", "text": "x"}, {"age": None, "class": None, "text": "y"}]


def people(root):
    project = Project(root)
    project.field("person", "word")
    project.field("text", "word")
    project.fields["person"]["column"] = ["age", "class"]
    project.rows(ROWS)
    return project


def test_a_field_of_several_columns_is_one_cell_missing_where_all_are(tmp_path):
    manifest = people(tmp_path).ingest()
    assert manifest.cells("person") == ['{"age": 3, "class": "a"}', None]


def test_each_of_several_columns_must_be_there(tmp_path):
    project = people(tmp_path)
    project.fields["person"]["column"] = ["age", "clas"]
    with pytest.raises(ConfigError, match=r"fields\.person\.column\[1\] is 'clas'.*Did you mean 'class'"):
        project.ingest()


@pytest.mark.parametrize(("change", "why"), [({"column": []}, "names none"), ({"like": "text"}, "it is like 'text'")])
def test_several_columns_that_cannot_be_one_field_are_refused(tmp_path, change, why):
    project = people(tmp_path)
    project.fields["person"] |= change
    with pytest.raises(ConfigError, match=rf"fields\.person\.column is .*{why}"):
        project.ingest()


def test_a_field_of_files_has_one_column(tmp_path):
    project = pictures(tmp_path)
    project.fields["image"]["column"] = ["image", "label"]
    with pytest.raises(ConfigError, match="'blob' takes the path of one file"):
        project.ingest()


def test_a_row_that_the_source_finds_broken_is_refused_with_its_reason(tmp_path, monkeypatch):
    def rows(self):
        for row in json.loads(self.path.read_text())["rows"]:
            yield BrokenRow(row, "it begins with the answer") if row["text"] == "y" else row

    monkeypatch.setattr(RowsSource, "rows", rows)
    project = people(tmp_path)
    with pytest.raises(DataError, match=r"row '1': it begins with the answer"):
        project.ingest()
    project.data["max_broken"] = 0.5
    project.data["id"] = "text"
    manifest = project.ingest()
    assert manifest.ids == ["x"]
    assert project.refused() == {"y": "it begins with the answer"}
