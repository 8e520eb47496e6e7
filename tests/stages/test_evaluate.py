"""metrics.json is for programs of any language."""

import json

from tests.stages import table

QUICK = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 200, "lr": 0.01, "threads": 1}


def refuse(word):
    raise AssertionError(f"{word} is not JSON")


def test_a_score_that_is_not_defined_is_left_out(tmp_path):
    """A slice of one label alone has no pairs to be told apart."""
    data = {**table.params(tmp_path).values["data"], "slices": ["region", "label"]}
    _, paths = table.trained(tmp_path, table.rows(200), training=QUICK, data=data)

    metrics = json.loads(paths.metrics.read_text(), parse_constant=refuse)

    of_slices = [
        {key.split("/")[1] for key in metrics if f"/slice/{name}" in key} for name in ("region=north", "label=no")
    ]
    assert of_slices[0] - of_slices[1]
    assert "accuracy" in of_slices[1]
