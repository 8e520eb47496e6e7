"""The modality works in a training of mmcore, known by its entry points alone."""

import json
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from mmcore.config.compose import compose
from mmcore.config.params import Params
from mmcore.predictor import Predictor
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[3]
STAGES = ("ingest", "fit", "encode", "features", "join", "train", "floors", "evaluate")
FOR_EACH_FIELD = ("fit", "encode", "features")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Waves of two lengths on three channels, with noise and holes; a row has its file and its label."""
    draw, made = np.random.default_rng(0), tmp_path_factory.mktemp("waves")
    lines = ["file,wave"]
    for number in range(160):
        long, steps = bool(draw.integers(2)), int(draw.integers(24, 40))
        angle = 2 * np.pi * (np.arange(steps) / (12 if long else 5) + draw.random())
        values = 100 + 10 * np.stack([np.sin(angle), np.cos(angle), draw.normal(size=steps)], 1)
        values[draw.random(values.shape) < 0.1] = np.nan
        np.save(made / f"{number}.npy", values)
        lines.append(f"{number}.npy,{'long' if long else 'short'}")
    (made / "rows.csv").write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture(scope="module", params=["series-cnn", "series-rnn"])
def paths(folder, request, tmp_path_factory) -> Paths:
    """After every stage but the report, without DVC."""
    fields = {"file": f"series/{request.param}", "wave": "category"}
    choices = [
        "experiment=table",
        f"data.source.path={folder / 'rows.csv'}",
        f"fields={{file: {fields['file']}, wave: category}}",
        "tasks={wave: classification}",
        "training.monitor=wave/accuracy",
        "training.epochs=8",
        "training.batch_size=16",
        "training.lr=0.01",
        "training.device=cpu",
        "evaluation.resamples=0",
        "data.split.test=0.25",
    ]
    values = compose(ROOT, choices, plugins=installed())
    paths = Paths(tmp_path_factory.mktemp("project"))
    for name in STAGES:
        stage = import_module(f"mmcore.stages.{name}")
        for field in fields if name in FOR_EACH_FIELD else [None]:
            params = Params(values, [key.format(field=field) for key in stage.READS])
            stage.run(params, paths, **({} if field is None else {"field": field}))
    return paths


def test_the_length_of_waves_is_learned(paths):
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["wave/accuracy"] > max(0.9, metrics["wave/accuracy/floor/majority"])


def test_the_model_answers_about_a_file(paths, folder):
    (found,) = Predictor.load(paths.model).predict([{"file": str(folder / "0.npy")}])
    assert found["wave"]["label"] in ("long", "short")


@pytest.mark.parametrize("group", ["mmcore.modalities", "mmcore.encoders"])
def test_no_other_package_has_one_of_our_names(group):
    packages = {point.name: set() for point in entry_points(group=group)}
    for point in entry_points(group=group):
        packages[point.name].add(point.dist.name)
    ours = {name: found for name, found in packages.items() if "mm-series" in found}
    assert ours
    assert all(found == {"mm-series"} for found in ours.values())


def test_nothing_outside_the_folder_names_the_package():
    others = [path for part in ("mmcore", "plugins", "flows") for path in (ROOT / part).rglob("*.py")]
    naming = [path for path in others if "mm_series" in path.read_text(encoding="utf-8")]
    assert {path.relative_to(ROOT).parts[:2] for path in naming} == {("plugins", "mm-series")}
