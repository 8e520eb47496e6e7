"""Texts that are written with a cache, and without."""

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
from timing.pairs import in_turns, row


def write_rows(*, quick: bool) -> list[dict[str, Any]]:
    """64 tokens with 4 beams: what was walked before is kept, or the whole text is walked for each token."""
    tokens = 6 if quick else 64
    text = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": tokens + 8})
    vector = Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": 16})
    layers = {"width": 32 if quick else 256, "layers": 1 if quick else 6, "heads": 4, "dropout": 0.0}
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
