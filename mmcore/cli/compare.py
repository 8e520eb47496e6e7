"""`mm compare`: two models on the same rows."""

import json
from dataclasses import asdict
from pathlib import Path

from mmcore.cli.found import model_folder
from mmcore.cli.table import aligned
from mmcore.config.params import load_params
from mmcore.data.writing import without_nan
from mmcore.evaluation.compare import Paired
from mmcore.stages import compare
from mmcore.stages.paths import Paths


def compare_models(first: str, second: str, *, as_json: bool) -> None:
    """Print every score of both with the difference and its interval, then the watched one by slice."""
    paths = Paths(Path())
    params = load_params(paths.params, compare.READS)
    found = compare.run(params, paths, champion=model_folder(first), challenger=model_folder(second))
    if as_json:
        print(json.dumps(without_nan(asdict(found)), indent=2))
        return
    ordered = sorted(found.scores.items(), key=lambda item: item[0] != found.metric)
    print(aligned([("", first, second, "gain", "interval"), *(_row(name, one) for name, one in ordered)]))
    if found.slices:
        slices = [_row(name, one) for name, one in sorted(found.slices.items())]
        print(f"\n{found.metric} where\n{aligned([('', first, second, 'gain', 'interval'), *slices])}")
    left_out = "".join(f" {count} do not count: {why}." for why, count in found.left_out.items())
    print(f"\nOn {found.n} rows of the {found.split} split.{left_out} A gain is positive where {second} is better.")
    for note in dict.fromkeys([*found.edited, *found.notes]):
        print(note)


def _row(name: str, one: Paired) -> tuple[str, ...]:
    interval = f"{one.low:+z.4f} to {one.high:+z.4f}"
    return name, f"{one.first:.4f}", f"{one.second:.4f}", f"{one.gain:+z.4f}", interval
