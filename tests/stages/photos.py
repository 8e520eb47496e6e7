"""A small table of pictures, each of one colour that its label names, with a number beside it that says the same."""

import numpy as np
from PIL import Image

from mmcore.stages import evaluate, train
from tests.stages import table

COLOURS = {"red": (210, 50, 50), "green": (40, 160, 70), "blue": (50, 80, 210)}
PART = {"fit": [], "code": "", "package": None}
PHOTO = {
    **PART, "column": "photo", "modality": {"name": "image", "size_px": 8},
    "encoder": {"name": "cnn", "stem_width": 8, "stem_kernel": 2, "stem_stride": 2, "widths": [8], "strides": [1]},
}  # fmt: skip
SIZE = {**PART, "column": ["size"], "modality": {"name": "table"}, "encoder": {"name": "table-mlp", "widths": [8]}}
KIND = {**PART, "column": "kind", "modality": {"name": "category"}}
TRAINING = {"monitor": "kind/accuracy", "epochs": 3, "batch_size": 16, "lr": 0.02, "threads": 1}


def rows(count, *, seed=0, part=lambda number: ""):
    """(id, photo, size, part, kind) for each; no two pictures are the same to the byte."""
    draw = np.random.default_rng(seed)
    kinds = draw.choice(list(COLOURS), count).tolist()
    sizes = [list(COLOURS).index(kind) + draw.normal(scale=0.3) for kind in kinds]
    return [
        (f"p{number}", f"photos/{number}.png", f"{sizes[number]:.4f}", part(number), kinds[number])
        for number in range(count)
    ]


def write(folder, lines):
    """The table and its pictures."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    text = "\n".join(",".join(cells) for cells in [("id", "photo", "size", "part", "kind"), *lines])
    (folder / "table.csv").write_text(text + "\n")
    for name, photo, _, _, kind in lines:
        picture, number = Image.new("RGB", (8, 8), COLOURS[kind]), int(name[1:])
        picture.putpixel((0, 0), (number % 256, number // 256, 7))
        picture.save(folder / photo)


def prepared(folder, lines, *, data=None, **fields):
    """Settings and paths of a project with these fields, up to the training."""
    write(folder, lines)
    made = {
        "source": {"name": "table", "path": str(folder / "table.csv")}, "code": "", "watch": "", "id": "id",
        "split": {"validation": 0.2, "test": 0.3}, "max_broken": 0.3, **(data or {}),
    }  # fmt: skip
    named = {name: {**field, "fit": [name]} for name, field in fields.items()}
    tasks = {"kind": {"name": "classification", "target": "kind"}}
    settings = table.params(folder, data=made, fields=named, tasks=tasks, training=TRAINING)
    return settings, table.prepare(folder, settings)


def trained(folder, lines, **named):
    """The same with a model and its scores."""
    settings, paths = prepared(folder, lines, **named)
    train.run(settings, paths)
    evaluate.run(settings, paths)
    return settings, paths
