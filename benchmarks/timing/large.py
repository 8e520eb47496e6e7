"""Batches larger than memory, and texts that are written with a cache."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from mmcore.interfaces.field import Batch
from mmcore.interfaces.writing import Writing
from mmcore.model.assemble import assemble
from mmcore.model.decode import generate
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from timing.pairs import in_turns, rounded, row

ROOT = Path(__file__).parents[2]

PEAK = """
import json, resource, sys
from pathlib import Path
import numpy as np, torch
from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training.step import Carried, Stepper
size, chunk = int(sys.argv[1]), int(sys.argv[2]) or None
text = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": 24})
encoder = EncoderPlan(Part("transformer", {"width": 64, "layers": 2, "heads": 2, "dropout": 0.0}))
plan = ModelPlan(
    modalities={"one": text, "other": text}, encoders={"one": encoder, "other": encoder}, fusion=Part("align", {}),
    tasks={"near": Part("alignment", {"first": "one", "second": "other", "width": 64})},
)
readers = {name: installed().modality.build(text, where=name) for name in plan.modalities}
draw = np.random.default_rng(0)
words = ["".join(draw.choice(list("abcdefgh"), 22)) for _ in range(2 * size)]
for reader in readers.values():
    reader.fit(words[:100], Path())
fields = {name: readers[name].collate([readers[name].read(w, Path()) for w in words[at::2]])
          for at, name in enumerate(readers)}
batch = Batch(fields, row=torch.arange(size), group=torch.arange(size))
model = assemble(plan, readers, seed=0, plugins=installed())
fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
stepper = Stepper(Carried(model), model, fabric, readers, {}, torch.Generator(), chunk)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stepper.backward([batch])
gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
print(json.dumps({"MiB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
                  "gradient": gradient[:: max(1, len(gradient) // 2000)].tolist()}))
"""


def chunk_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The peak beyond what was there before the step, each in a process of its own, and the gradients."""
    size = 256 if quick else 4096
    told = list[dict[str, Any]]()
    for chunk in (size // 16, 0):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(size), str(chunk)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told.append(json.loads(done.stdout.splitlines()[-1]))
    ours, plain = (torch.tensor(one["gradient"]) for one in told)
    apart = float((ours - plain).abs().max() / plain.abs().max())
    what = f"GradCache, batch {size:,} in chunks of {size // 16}: peak memory of a step beside the whole batch at once"
    one = row(what, [told[0]["MiB"]], [told[1]["MiB"]], goal=4.0, unit="MiB")
    return [{**one, "gradient_apart": rounded(apart), "met": bool(one["met"] and apart <= 1e-5)}]


def write_rows(*, quick: bool) -> list[dict[str, Any]]:
    """64 tokens with 4 beams: what was walked before is kept, or the whole text is walked for each token."""
    tokens = 16 if quick else 64
    text = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": tokens + 8})
    vector = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": 16})
    layers = {"width": 128, "layers": 4, "heads": 4, "dropout": 0.0}
    plan = ModelPlan(
        modalities={"given": vector, "text": text},
        encoders={
            "given": EncoderPlan(Part("transformer", layers)),
            "text": EncoderPlan(Part("transformer", {**layers, "causal": True})),
        },
        fusion=Part("prefix", {"into": "text", "connector": {"name": "linear"}}),
        tasks={"say": Part("generation", {"target": "text"})},
    )
    readers = {name: installed().modality.build(part, where=name) for name, part in plan.modalities.items()}
    for reader in readers.values():
        reader.fit(["abc def ghi", "a longer text than that"], Path())
    fields = {name: reader.collate([reader.read("abc def", Path())] * 4) for name, reader in readers.items()}
    batch = Batch(fields, row=torch.arange(4), group=torch.arange(4))
    torch.set_num_threads(1)
    model = assemble(plan, readers, seed=0, plugins=installed()).eval()
    facts = {**readers["text"].facts(), "eos": 63}  # a symbol that nobody learned to write: all texts get long
    writing = Writing(max_tokens=tokens, beams=4)

    def write(streaming: bool) -> torch.Tensor:
        model.fusion.streaming = streaming
        return generate(model, batch, field="text", facts=facts, writing=writing)[0]

    assert torch.equal(write(True), write(False)), "the cache changes what is written"
    mine, theirs = in_turns(lambda: write(True), lambda: write(False), turns=2 if quick else 5)
    what = f"decoding {tokens} tokens with 4 beams: with cache beside without"
    return [row(what, mine, theirs, goal=5.0, unit="ms", scale=1000)]
