import json

import numpy as np
import pytest

from mmcore.data.dataset import Dataset
from mmcore.errors import ArtifactError, DataError
from mmcore.model.folder import load_modality
from mmcore.registry.settings import Part
from tests.stages.project import pictures, plugins

PARTS = [("image", Part("blob", {})), ("label", Part("word", {}))]


def with_broken(root, **data):
    project = pictures(root, samples=10, **data)
    project.file("bad.bin", b"broken")
    rows = [{"image": f"{n}.bin", "label": "ab"[n % 2]} for n in range(8)]
    rows += [{"image": "bad.bin", "label": "a"}, {"image": "gone.bin", "label": "a"}]
    project.rows(rows)
    return project


def test_inputs_hold_the_digest_of_each_named_field_and_the_usable_rows(tmp_path):
    inputs = pictures(tmp_path).prepare()
    assert sorted(inputs["fields"]) == ["image", "label"]
    assert sorted(inputs["fields"]["image"]) == ["fit", "store"]
    assert inputs["rows"] == {"train": 6, "validation": 0, "test": 0}
    assert inputs["quarantined"] == 0


def test_the_quarantine_holds_refused_rows_and_broken_cells(tmp_path):
    project = with_broken(tmp_path, max_broken=0.2)
    inputs = project.prepare()
    lines = [json.loads(line) for line in project.paths.quarantine.read_text().splitlines()]
    assert [(line["id"], line["row"], line["field"], line["cell"]) for line in lines] == [
        ("9", None, "image", "gone.bin"),
        ("8", 8, "image", "bad.bin"),
    ]
    assert inputs["rows"]["train"] == 8
    assert inputs["quarantined"] == 2


def test_too_many_broken_rows_fail_and_the_quarantine_stays_to_be_read(tmp_path):
    project = with_broken(tmp_path, max_broken=0.1)
    with pytest.raises(DataError, match=r"2 of 10 rows cannot be used(?s:.*bad.bin.*)quarantine.jsonl"):
        project.prepare()
    assert len(project.paths.quarantine.read_text().splitlines()) == 2
    assert not project.paths.inputs.exists()


def test_the_dataset_of_a_prepared_project_leaves_out_the_quarantine(tmp_path):
    project = with_broken(tmp_path, max_broken=0.2)
    project.prepare()
    loaded = {name: load_modality(project.paths.fit(name), part, field=name, plugins=plugins()) for name, part in PARTS}
    stores = {name: project.paths.store(name) for name in loaded}
    dataset = Dataset.open(loaded, stores, manifest=project.paths.manifest, quarantine=project.paths.quarantine)
    assert dataset.rows("train").tolist() == list(range(8))
    batch = dataset.batch(np.array([3, 0]))
    assert batch.fields["label"].values.tolist() == [1, 0]
    assert batch.fields["image"].values.tolist() == [len("picture 3"), len("picture 0")]


def test_a_row_with_two_broken_cells_counts_once(tmp_path):
    project = pictures(tmp_path, samples=10, max_broken=0.1)
    project.file("bad.bin", b"broken")
    rows = [{"image": f"{n}.bin", "label": "a"} for n in range(9)]
    project.rows([*rows, {"image": "bad.bin", "label": "new", "split": "test"}])
    assert project.prepare()["quarantined"] == 1


def test_where_every_training_row_is_broken_this_is_told(tmp_path):
    project = pictures(tmp_path, max_broken=1.0)
    project.rows([{"image": project.file("bad.bin", b"broken"), "label": "a"}])
    with pytest.raises(DataError, match="no training rows left"):
        project.prepare()


def test_a_field_that_was_taken_away_leaves_no_trace_and_comes_back_the_same(tmp_path):
    project = pictures(tmp_path)
    both = project.prepare()
    label = project.fields.pop("label")
    alone = project.join()
    assert list(alone["fields"]) == ["image"]
    project.fields["label"] = label
    assert project.join() == both


def test_other_content_gives_another_digest(tmp_path):
    project = pictures(tmp_path)
    before = project.prepare()["fields"]["image"]["store"]
    project.file("0.bin", b"another picture")
    assert project.prepare()["fields"]["image"]["store"] != before


def test_features_count_where_there_are_any(tmp_path):
    project = pictures(tmp_path)
    project.prepare()
    project.paths.features("image").mkdir(parents=True)
    (project.paths.features("image") / "features.json").write_text("{}")
    assert "features" in project.join()["fields"]["image"]


def test_a_store_of_another_manifest_is_refused(tmp_path):
    project = pictures(tmp_path)
    project.prepare()
    project.rows([{"image": "0.bin", "label": "a"}])
    project.ingest()
    with pytest.raises(ArtifactError, match="of another manifest"):
        project.join()
