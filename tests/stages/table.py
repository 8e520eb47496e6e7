"""A small table whose label hangs on a number, prepared and trained on in this process."""

import numpy as np

from mmcore.config.params import Params
from mmcore.stages import encode, evaluate, features, fit, ingest, join, train
from mmcore.stages.paths import Paths

HEAD = "id,x,region,label"


def rows(count, *, seed=0, shift=0.0, start=0, labels=("no", "yes")):
    """Lines of CSV: the label says on which side of 0 the number lies, one time in ten wrongly."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(start, start + count):
        value = draw.normal(shift)
        right = int(value > 0) if draw.random() > 0.1 else int(value <= 0)
        found.append(f"{number},{value:.5f},{draw.choice(['north', 'south'])},{labels[right]}")
    return found


def params(folder, **sections):
    """Of the table in the folder; sections replace whole ones."""
    part = {"fit": [], "code": "", "package": None}
    values = {
        "data": {
            "source": {"name": "table", "path": str(folder / "table.csv")}, "code": "", "watch": "", "id": "id",
            "split": {"validation": 0.2, "test": 0.3}, "slices": ["region"], "max_broken": 0.2,
        },
        "fields": {
            "x": {
                **part, "column": ["x"], "fit": ["x"], "modality": {"name": "table"},
                "encoder": {"name": "table-mlp", "widths": [8]},
            },
            "label": {**part, "column": "label", "fit": ["label"], "modality": {"name": "category"}},
        },
        "fusion": {"name": "concat", "width": 8},
        "tasks": {"label": {"name": "classification", "target": "label"}},
        "model": {}, "pretrain": {}, "repeats": {"summary": {}}, "report": {"title": "A table"}, "verdict": {},
        "evaluation": {"resamples": 200, "without": False},
        "training": {"monitor": "label/accuracy", "epochs": 8, "batch_size": 32, "lr": 0.02, "threads": 1},
        **sections,
    }  # fmt: skip
    return Params(values, tuple(values))


def write(folder, lines):
    """The table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.csv").write_text("\n".join([HEAD, *lines]) + "\n")


def prepare(folder, settings):
    """From rows to inputs; gives the paths."""
    paths = Paths(folder)
    ingest.run(settings, paths)
    for name in settings.fields():
        fit.run(settings, paths, field=name)
        encode.run(settings, paths, field=name)
        features.run(settings, paths, field=name)
    join.run(settings, paths)
    return paths


def trained(folder, lines, **sections):
    """A project with a model and its scores."""
    write(folder, lines)
    settings = params(folder, **sections)
    paths = prepare(folder, settings)
    train.run(settings, paths)
    evaluate.run(settings, paths)
    return settings, paths
