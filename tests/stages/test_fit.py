import pyarrow as pa
import pytest

from mmcore.data.manifest import Manifest
from mmcore.errors import DataError, SetupError
from mmcore.stages import fit
from tests.stages.project import BlobModality, Project, pictures, plugins


def test_fit_sees_the_training_split_alone_without_missing_cells(tmp_path):
    project = pictures(tmp_path)
    rows = [{"image": f"{n}.bin", "label": label} for n, label in enumerate(["a", None, "b", "a"])]
    project.rows([*rows, {"image": "4.bin", "label": "z", "split": "test"}])
    project.ingest()
    assert project.fit("label") == {"cells": 3, "classes": ["a", "b"]}


def test_a_file_that_many_rows_share_is_seen_once(tmp_path):
    project = pictures(tmp_path)
    project.file("copy.bin", b"picture 0")
    project.rows([{"image": name, "label": "a"} for name in ("0.bin", "0.bin", "copy.bin", "1.bin")])
    project.ingest()
    assert project.fit("image") == {"seen": ["0.bin", "1.bin"]}


def test_fields_that_share_a_modality_feed_it_together(tmp_path):
    project = Project(tmp_path)
    project.field("left", "word")
    project.field("right", "word")
    project.fields["left"]["fit"] = ["left", "right"]
    project.rows([{"left": "a", "right": "b"}, {"left": "c", "right": None}])
    project.ingest()
    assert project.fit("left")["classes"] == ["a", "b", "c"]


def test_what_a_modality_remarks_on_its_cells_is_printed(tmp_path, monkeypatch, capsys):
    project = pictures(tmp_path)
    project.ingest()
    monkeypatch.setattr(plugins().modality.load("word"), "remarks", lambda self: ("one class is rare.",))
    project.fit("label")
    assert "fields.label: one class is rare.\n" in capsys.readouterr().out


def test_what_cannot_be_learned_names_the_field(tmp_path):
    project = pictures(tmp_path)
    project.rows([{"image": "0.bin", "label": None}], columns=["image", "label", "split"])
    project.ingest()
    with pytest.raises(DataError, match=r"fields\.label cannot be fitted: no cell"):
        project.fit("label")


def test_cells_of_the_training_split_can_be_walked_through_twice():
    cells, digests = ["a.png", None, "b.png", "c.png", "a.png", "d.png"], ["1", None, "2", "3", "1", "1"]
    table = {"x": cells, "hash:x": digests, "split": ["train", "train", "test", "train", "train", "train"]}
    manifest = Manifest(pa.table(table))

    files = fit.TrainingCells(manifest, ["x"], files=True, what="fit")
    values = fit.TrainingCells(manifest, ["x", "x"], files=False, what="fit")

    assert list(files) == list(files) == ["a.png", "c.png"]
    assert len(files) == 2
    assert list(values) == ["a.png", "c.png", "a.png", "d.png"] * 2


def test_nothing_of_an_earlier_fit_is_left(tmp_path):
    project = pictures(tmp_path)
    project.ingest()
    project.fit("label")
    (project.paths.fit("label") / "stale.json").write_text("{}")
    project.fit("label")
    assert [path.name for path in project.paths.fit("label").iterdir()] == ["facts.json"]


def test_a_full_disk_is_told_in_clear_words(tmp_path, monkeypatch):
    def full(self, folder):
        raise OSError(28, "No space left on device")

    project = pictures(tmp_path)
    project.ingest()
    modality = plugins().modality.load("blob")
    assert modality.__name__ == BlobModality.__name__
    monkeypatch.setattr(modality, "save", full)
    with pytest.raises(SetupError, match="No space left on device"):
        project.fit("image")
