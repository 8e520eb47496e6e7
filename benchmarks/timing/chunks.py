"""Batches larger than memory: what GradCache needs beside the whole batch at once, and that the gradients are equal."""

# Run as a script it does one step in a process of its own: the memory that a process had once stays in its books.

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training.step import Carried, Stepper
from timing.pairs import row

TOKENS, WIDTH, LAYERS = 32, 64, 4
TO_1E5 = 1e-5


def chunk_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The peak beyond what was there before the step, and the gradients."""
    size = 256 if quick else 4096
    told, gradients = list[float](), list[torch.Tensor]()
    with tempfile.TemporaryDirectory() as folder:
        for chunk in (size // 16, size):
            out = Path(folder) / f"{chunk}.npy"
            command = [sys.executable, __file__, str(size), str(chunk), str(out)]
            done = subprocess.run(command, env=alone(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            told.append(json.loads(done.stdout.splitlines()[-1])["MiB"])
            gradients.append(torch.from_numpy(np.load(out)))
    ours, plain = gradients
    apart = float((ours - plain).abs().max() / plain.abs().max())
    what = f"GradCache, batch {size:,} in chunks of {size // 16}: peak memory of a step beside the whole batch at once"
    one = row(what, [told[0]], [told[1]], goal=4.0, unit="MiB")
    equal = row(
        f"the same: largest difference of a gradient over the largest gradient, beside {TO_1E5:g}",
        [max(apart, 1e-9)],
        [TO_1E5],
        goal=1.0,
        unit="",
    )
    return [one, equal]


def step(size: int, chunk: int, out: Path) -> float:
    """MiB that the gradients of one batch of pairs take at most; the gradients go to `out`."""
    text = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": TOKENS})
    encoder = EncoderPlan(Part("transformer", {"width": WIDTH, "layers": LAYERS, "heads": 2, "dropout": 0.0}))
    plan = ModelPlan(
        modalities={"one": text, "other": text},
        encoders={"one": encoder, "other": encoder},
        fusion=Part("align", {}),
        tasks={"near": Part("alignment", {"first": "one", "second": "other", "width": 64})},
    )
    readers = {name: installed().modality.build(text, where=name) for name in plan.modalities}
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdefgh"), TOKENS - 2)) for _ in range(2 * size)]
    for reader in readers.values():
        reader.fit(words[:100], Path())
    fields = {
        name: readers[name].collate([readers[name].read(word, Path()) for word in words[at::2]])
        for at, name in enumerate(readers)
    }
    batch = Batch(fields, row=torch.arange(size), group=torch.arange(size))
    model = assemble(plan, readers, seed=0, plugins=installed())
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    stepper = Stepper(Carried(model), model, fabric, readers, {}, torch.Generator(), chunk if chunk < size else None)
    stepper.backward([batch.pick(torch.arange(8))])  # what is made once is no part of the question
    model.zero_grad()
    before = memory("VmRSS")
    stepper.backward([batch])
    peak = memory("VmHWM") - before
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    np.save(out, gradient.numpy())
    return peak


def alone() -> dict[str, str]:
    """The environment of a script of this folder: one thread, and the folder's other modules."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def memory(name: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at most so far."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, f"the kernel tells {name}"
    return int(found[1]) / 1024


if __name__ == "__main__":
    peak_mib = step(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps({"MiB": peak_mib}))
