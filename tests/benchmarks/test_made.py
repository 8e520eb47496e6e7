"""What another run has made is linked only where settings, rows and what came before are the same."""

import pytest
import yaml
from goals import made

from mmcore.stages.paths import Paths

PARAMS = {
    "data": {"source": {"name": "table", "path": "rows.csv"}},
    "fields": {"text": {"modality": {"name": "text"}, "fit": None, "package": None}},
    "training": {"seed": 0},
}


@pytest.fixture
def runs(monkeypatch):
    """The stages that were really run; each writes one file that tells how many there were."""
    found = []

    def run_stage(name, *, field):
        found.append(name)
        output, _ = made._places(name, Paths(made.Path()), field)
        output.mkdir(parents=True)
        (output / "made.txt").write_text(f"{name} {len(found)}")

    monkeypatch.setattr(made, "run_stage", run_stage)
    return found


@pytest.fixture
def project(tmp_path, monkeypatch, runs):
    """Makes a project anew and brings `fit` and `encode` of its field; returns what lies in the store."""

    def bring(name, *, params=PARAMS, rows=b"rows"):
        folder = tmp_path / name
        (folder / "artifacts").mkdir(parents=True)
        (folder / "artifacts" / "manifest.parquet").write_bytes(rows)
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        monkeypatch.chdir(folder)
        for stage in ("fit", "encode"):
            made.bring(stage, tmp_path / "shelf", field="text")
        return (folder / "artifacts" / "fields" / "text" / "store" / "made.txt").read_text()

    (tmp_path / "shelf").mkdir()
    return bring


def test_the_same_is_made_once(project, runs):
    assert project("one") == project("two") == "encode 2"
    assert runs == ["fit", "encode"]


def test_a_setting_that_no_such_stage_reads_changes_nothing(project, runs):
    project("one")
    project("two", params={**PARAMS, "training": {"seed": 1}})
    assert runs == ["fit", "encode"]


def test_another_modality_is_made_anew(project, runs):
    project("one")
    other = {"text": {**PARAMS["fields"]["text"], "modality": {"name": "text", "max_tokens": 8}}}
    project("two", params={**PARAMS, "fields": other})
    assert runs == ["fit", "encode", "fit", "encode"]


def test_other_rows_are_made_anew(project, runs):
    project("one")
    project("two", rows=b"others")
    assert runs == ["fit", "encode", "fit", "encode"]
