"""A training that starts from the model in use, on rows with classes and categories that it did not know."""

import shutil

import pytest
import torch

from mmcore.config.pretrain import CHAMPION
from mmcore.model.folder import load_model
from mmcore.model.weights import load_tensors
from mmcore.stages import train
from tests.stages import table

PART = {"fit": [], "code": "", "package": None}
FIELDS = {
    "x": {
        **PART, "column": ["x", "region"], "fit": ["x"], "modality": {"name": "table"},
        "encoder": {"name": "table-mlp", "widths": [8]},
    },
    "label": {**PART, "column": "label", "fit": ["label"], "modality": {"name": "category"}},
}  # fmt: skip
NEW = [f"{900 + n},{n / 10},east,maybe" for n in range(60)]
"""`east` and `maybe` come before the others, and so have their numbers."""
FAST = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 64, "threads": 1}


@pytest.fixture
def taken_over(tmp_path):
    """The project of the newer model, ready to train; the older one lies in artifacts/champion."""
    _, old = table.trained(tmp_path / "old", table.rows(120), fields=FIELDS, training={**FAST, "lr": 0.01})
    table.write(tmp_path / "new", table.rows(120) + NEW)
    training = {**FAST, "lr": 0.0, "start_from": "champion"}
    settings = table.params(tmp_path / "new", fields=FIELDS, training=training)
    paths = table.prepare(tmp_path / "new", settings)
    shutil.copytree(old.model, paths.root / CHAMPION)
    return settings, paths


def test_weights_of_classes_and_categories_go_with_their_names(taken_over, capfd):
    settings, paths = taken_over
    train.run(settings, paths)
    folders = paths.root / CHAMPION, paths.model
    before, after = (load_tensors(folder / "model.safetensors") for folder in folders)
    was, now = (load_model(folder) for folder in folders)
    checked = []
    for field, what, start in (("label", "classes", "tasks.label."), ("x", "codes", "encoders.x.")):
        then, there = (saved.modalities[field].facts()[what] for saved in (was, now))
        assert len(there) == len(then) + 1
        for name in before:
            if name.startswith(start) and len(before[name]) == len(then) and len(after[name]) == len(there):
                checked.append(name)
                for number, one in enumerate(then):
                    assert torch.equal(after[name][there.index(one)], before[name][number]), (name, one)
    assert {name.partition(".")[0] for name in checked} == {"tasks", "encoders"}
    told = capfd.readouterr().out
    assert "fields.label: of 3 classes 2 have another number" in told
    assert "fields.x: of 4 codes 2 have another number" in told
    assert "start from nothing" not in told


def test_where_the_names_of_then_cannot_be_read_weights_are_taken_as_they_fit_and_that_is_told(taken_over, capfd):
    settings, paths = taken_over
    for path in (paths.root / CHAMPION / "fields" / "label").iterdir():
        path.unlink()
    (paths.root / CHAMPION / "fields" / "label").rmdir()
    train.run(settings, paths)
    assert "fields.label: what its numbers meant cannot be read" in capfd.readouterr().out
