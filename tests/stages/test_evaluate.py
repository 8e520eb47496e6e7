"""metrics.json is for programs of any language."""

import json

from mmcore.config.params import Params
from mmcore.stages import spread
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


def test_shares_are_told_beside_the_scores_and_bound_the_spread_over_seeds(tmp_path):
    _, paths = table.trained(tmp_path, table.rows(40), training=QUICK)
    metrics = json.loads(paths.metrics.read_text())

    assert "label/accuracy" in metrics["shares"]
    assert "label/cross_entropy" not in metrics["shares"]

    other = {**metrics, "label/accuracy": 0.0 if metrics["label/accuracy"] > 0.5 else 1.0}
    paths.repeat("one").mkdir(parents=True)
    (paths.repeat("one") / "metrics.json").write_text(json.dumps(other))
    told = {"repeats": {"summary": {"seeds": ["one"]}}, "evaluation": {"confidence": 0.95}, "report": {"title": "t"}}
    spread.run(Params(told, [key.format(kind="seeds") for key in spread.READS]), paths, kind="seeds")

    found = json.loads(paths.spread("seeds").with_suffix(".json").read_text())["spread"]["label/accuracy"]
    assert (found["low"], found["high"]) == (0, 1)
