"""What a training writes beside the weights."""

import numpy as np
import pytest
import yaml

from mmcore.data.manifest import Manifest
from mmcore.data.marks import marks_of, read_marks
from mmcore.stages import train
from tests.stages import table

WEAK = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 200, "lr": 0.0001, "threads": 1}


def record(name):
    return {"name": name, "version": "1.0", "digest": f"of-{name}"}


def test_a_model_keeps_the_digests_that_params_yaml_has_of_packages_from_outside(tmp_path):
    table.write(tmp_path, table.rows(100))
    packages = [record("mm-tasks"), record("of-the-floors-alone")]
    settings = table.params(tmp_path, training={**WEAK, "packages": packages})
    field = {**settings.values["fields"]["x"], "encoder_package": record("mm-table")}
    settings = settings.with_value("fields.x", field)
    paths = table.prepare(tmp_path, settings)

    train.run(settings, paths)

    code = yaml.safe_load((paths.model / "model.yaml").read_text())["code"]
    assert code == {"mm-table": "of-mm-table", "mm-tasks": "of-mm-tasks"}


@pytest.mark.parametrize("named", [True, False])
def test_a_model_keeps_ids_where_they_do_more_than_count_the_rows(tmp_path, named):
    table.write(tmp_path, table.rows(100))
    settings = table.params(tmp_path, training=WEAK).with_value("data.id", "id" if named else None)
    paths = table.prepare(tmp_path, settings)

    train.run(settings, paths)

    manifest = Manifest.read(paths.manifest)
    with_ids, without = (marks_of(manifest, ["x"], named=one) for one in (True, False))
    ids = np.setdiff1d(with_ids, without)
    assert len(ids) == len(manifest)
    known = np.isin(ids, read_marks(paths.model))
    assert known.any() if named else not known.any()
