"""A dual encoder end to end, beside open_clip's own trainer: the same pairs, tokens, networks and batches.

resnet18 at 64 px and four layers of text, batches of 64, 2,000 pairs in JPEG files of 128 px, two threads each. Each
training is a process of its own, of two epochs; the second is timed, its checkpoint included.
"""

# Run as a script it is one of the two trainings.

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from mmcore.config.params import load_params
from mmcore.config.update import update
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths
from timing.elsewhere import BESIDE, lacks
from timing.pairs import not_measured, row
from timing.pictures import files

PAIRS, TOKENS, WIDTH, BATCH, EPOCHS = 2000, 32, 256, 64, 2
ROOT = Path(__file__).parents[2]
CHOICES = (
    "experiment=emoji", "data.source.path=pairs.csv", "data.max_broken=0.5", "fields.image.modality.size_px=64",
    "fields.image.modality.rotation_deg=0", "fields.image.encoder={name: timm, model: resnet18, output: global}",
    f"fields.name.modality.max_tokens={TOKENS}", "fields.name.modality.vocabulary_size=1000",
    f"fields.name.encoder={{width: {WIDTH}, layers: 4, heads: 4, mlp_ratio: 4.0, dropout: 0.0}}",
    f"tasks.pairs={{width: {WIDTH}, dropout: 0.0}}", f"training.batch_size={BATCH}", f"training.epochs={EPOCHS}",
    "training.threads=2", "training.compile=off", "training.precision=float32",
)  # fmt: skip
FROZEN = {"ours": ("fields.image.frozen=true", "fields.image.modality.shift_px=0",
                   "fields.image.modality.flip_horizontal=0"), "theirs": ("--lock-image",)}  # fmt: skip
CASES = (("", 1.4), (", image tower frozen", 2.5))


def clip_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Milliseconds a pair, the tower learning and frozen; and the most memory of each process with its children."""
    what = "dual encoder{}, beside open_clip's own trainer"
    if why := lacks("open_clip_train"):
        return [not_measured(what.format(name), goal=goal, why=why) for name, goal in CASES]
    found = list[dict[str, Any]]()
    for name, goal in CASES:
        with pairs(64 if quick else PAIRS) as folder:
            turns = [
                [measured(side, folder, frozen=bool(name), turn=turn) for side in ("ours", "theirs")]
                for turn in range(1 if quick else 3)
            ]
        epochs, memory = ([[turn[side][key] for turn in turns] for side in (0, 1)] for key in ("epoch_s", "MiB"))
        scale = 1000 / (64 if quick else PAIRS)
        found += [
            row(what.format(name), *epochs, goal=goal, unit="ms a pair", scale=scale),
            row(f"{what.format(name)}: most memory", *memory, goal=1.0, unit="MiB"),
        ]
    return found


@contextmanager
def pairs(count: int) -> Iterator[Path]:
    """A project of ours with its table, prepared up to training, and what open_clip reads beside it."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdefghij"), draw.integers(3, 9))) for _ in range(300)]
    with files(count + 64, 128) as (folder, names):
        (folder / "conf").symlink_to(ROOT / "conf")
        captions = [" ".join(draw.choice(words, 8)) for _ in names]
        splits = ["train"] * count + ["validation"] * 32 + ["test"] * 32
        lines = [",".join(cells) for cells in zip(names, captions, names, splits, strict=True)]
        (folder / "pairs.csv").write_text("\n".join(["image,name,code,split", *lines]) + "\n", encoding="utf-8")
        theirs = [f"{folder / name}\t{caption}" for name, caption in zip(names[:count], captions, strict=False)]
        (folder / "theirs.csv").write_text("\n".join(["filepath\ttitle", *theirs]) + "\n", encoding="utf-8")
        yield folder


def measured(side: str, folder: Path, *, frozen: bool, turn: int) -> dict[str, float]:
    """Seconds of the second epoch, and MiB of the process and its children at most."""
    if side == "ours":
        prepare(folder, FROZEN["ours"] if frozen else ())
    places = [Path(__file__).parents[1], *([BESIDE] if side == "theirs" else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, __file__, side, str(turn), *(FROZEN["theirs"] if frozen else ())]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=said)
        most = _most_memory(process)
        said.seek(0), told.seek(0)
        assert process.returncode == 0, said.read()[-3000:]
        before, after = json.loads(told.read().splitlines()[-1])
    return {"epoch_s": after - before, "MiB": most}


def _most_memory(process: subprocess.Popen) -> float:
    """MiB of a process and its children, what they share counted once, looked at until it ends."""
    most = 0.0
    while process.poll() is None:
        total = 0
        for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue
        most = max(most, total / 2**20)
        time.sleep(0.25)
    return most


def prepare(folder: Path, more: tuple[str, ...]) -> None:
    """Compose and every stage before training."""
    with chdir(folder):
        update(Path(), (*CHOICES, *more), plugins=installed(), force=True)
        run("ingest")
        for stage in ("fit", "encode", "features"):
            for field in ("image", "name"):
                run(stage, field=field)
        run("join")


def run(name: str, **given: str) -> None:
    """One stage in the working folder."""
    stage, paths = import_module(f"mmcore.stages.{name}"), Paths(Path())
    stage.run(load_params(paths.params, [key.format(**given) for key in stage.READS]), paths, **given)


def ours() -> list[float]:
    """The stage train; when each epoch ended, its checkpoint written."""
    from mmcore.training.display import Display

    ends, show = list[float](), Display.epoch

    def noted(self: Display, *given: Any, **named: Any) -> None:
        ends.append(time.perf_counter())
        show(self, *given, **named)

    Display.epoch = noted  # type: ignore[method-assign]
    run("train")
    return ends


def theirs(folder: Path, turn: str, more: list[str]) -> list[float]:
    """open_clip's main; when the second epoch started, and ended with its checkpoint."""
    import open_clip
    from open_clip_train import main as trainer
    from transformers import PreTrainedTokenizerFast

    tokenizer = folder / "artifacts/fields/name/fit/tokenizer.json"
    words = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), pad_token="<pad>")
    words.save_pretrained(folder / "tokenizer")
    image = {"image_size": 64, "timm_model_name": "resnet18", "timm_pool": "avg", "timm_proj": "linear"}
    text = {"context_length": TOKENS, "vocab_size": len(words), "width": WIDTH, "heads": 4, "layers": 4,
            "hf_tokenizer_name": str(folder / "tokenizer")}  # fmt: skip
    model = folder / "beside.json"
    model.write_text(json.dumps({"embed_dim": WIDTH, "vision_cfg": image, "text_cfg": text}), encoding="utf-8")
    open_clip.add_model_config(model)
    starts, one_epoch = list[float](), trainer.train_one_epoch

    def noted(*given: Any, **named: Any) -> None:
        starts.append(time.perf_counter())
        one_epoch(*given, **named)

    trainer.train_one_epoch = noted
    trainer.main([
        "--model", "beside", "--train-data", str(folder / "theirs.csv"), "--dataset-type", "csv", "--precision", "fp32",
        "--device", "cpu", "--batch-size", str(BATCH), "--epochs", str(EPOCHS), "--workers", "2", "--lr", "0.002",
        "--warmup", "10", "--grad-clip-norm", "1.0", "--logs", str(folder / "logs"), "--name", f"run{turn}{len(more)}",
        *more,
    ])  # fmt: skip
    return [starts[1], time.perf_counter()]


if __name__ == "__main__":
    here = Path.cwd()
    moments = ours() if sys.argv[1] == "ours" else theirs(here, sys.argv[2], sys.argv[3:])
    print(json.dumps(moments))
