"""spread@KIND: how far the scores of the repeats lie apart, as numbers and as a page."""

from collections.abc import Mapping

from mmcore.config.params import Params
from mmcore.data.writing import whole_file, write_json
from mmcore.evaluation.spread import over_folds, over_seeds
from mmcore.report.spread import render_spread
from mmcore.stages.outputs import read_output
from mmcore.stages.paths import Paths

READS = ("repeats.summary.{kind}", "evaluation.confidence", "report.title")


def run(params: Params, paths: Paths, *, kind: str) -> None:
    """Write spread/KIND.json and spread/KIND.html. kind: seeds, the model that is kept being one of them, or folds."""
    names = params.get(f"repeats.summary.{kind}", tuple[str, ...])
    confidence = params.get("evaluation.confidence", float)
    files = {name: paths.repeat(name) / "metrics.json" for name in names}
    if kind == "seeds":
        files = {"kept": paths.metrics, **files}
    stages = {name: "evaluate" if name == "kept" else f"repeat --run {name}" for name in files}
    metrics = {name: read_output(path, stages[name]) for name, path in files.items()}
    scores = {name: _scores(found) for name, found in metrics.items()}
    shares = {key for one in metrics.values() for key in one.get("shares", ())}
    if kind == "seeds":
        found = over_seeds(scores, confidence=confidence, shares=shares)
    else:
        rows = {name: int(one["n"]) for name, one in metrics.items()}
        found = over_folds(scores, rows, confidence=confidence, shares=shares)
    paths.spread(kind).parent.mkdir(parents=True, exist_ok=True)
    write_json(paths.spread(kind).with_suffix(".json"), {"runs": scores, "spread": found})
    page = render_spread(found, scores, kind=kind, confidence=confidence, title=params.get("report.title", str))
    with whole_file(paths.spread(kind).with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")


def _scores(metrics: Mapping[str, object]) -> dict[str, float]:
    """TASK/METRIC alone: no intervals, floors or counts."""
    numbers = {key: float(value) for key, value in sorted(metrics.items()) if isinstance(value, int | float)}
    return {key: value for key, value in numbers.items() if key.count("/") == 1 and not key.startswith("rows/")}
