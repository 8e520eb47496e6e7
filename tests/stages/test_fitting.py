"""What a training writes beside the weights."""

import yaml

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
