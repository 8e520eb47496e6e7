"""Every fusion with a stream `joint` can learn what neither field tells alone."""

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from mmcore.interfaces.fusion import Port
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.testing.probes import Probe, probe_field
from mmcore.testing.walk import batch_of, model_of

PORTS = {"image": Port((12, 12, 12)), "question": Port((12, 12, 12), elastic=True)}
SAMPLES = 16
FUSIONS = {
    "concat": {},
    "sum": {},
    "gated": {},
    "lowrank": {},
    "similarity": {},
    "convsum": {"length": 4},
    "perceiver": {"latents": 4, "layers": 1},
    "trunk": {"layers": 1},
    "film": {},
    "cross": {"into": "question", "heads": 2},
    "bottleneck": {"width": 12, "last": 2},
    "chain": {"first": {"name": "film"}, "second": {"name": "concat", "width": 16}},
}
WIDTH = {"width": 16}
WITHOUT_WIDTH = {"film", "chain"}


@pytest.mark.parametrize("name", FUSIONS)
def test_a_batch_is_learned_whose_answer_needs_both_fields(name):
    torch.manual_seed(0)
    settings = {**({} if name in WITHOUT_WIDTH else WIDTH), **FUSIONS[name]}
    fusion = installed().fusion.build(Part(name, settings), PORTS, where="fusion")
    model = model_of({field: Probe(port) for field, port in PORTS.items()}, fusion).train()
    head = nn.Linear(fusion.writes["joint"], 1)
    draw = torch.Generator().manual_seed(0)
    fields = {field: probe_field(port, SAMPLES, draw) for field, port in PORTS.items()}
    sides = [torch.arange(SAMPLES) % 2, torch.arange(SAMPLES) // 2 % 2]  # which of two; the answer: are they the same?
    for side, field in zip(sides, PORTS, strict=True):
        given = fields[field]
        fields[field] = given.with_values(0.3 * given.values + (2.0 * side - 1)[:, None, None])
    same = (sides[0] == sides[1]).float()
    optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        joint = fusion(model.start(batch_of(fields)))["joint"]
        loss = binary_cross_entropy_with_logits(head(joint.pool()).squeeze(1), same)
        loss.backward()
        optimizer.step()
        if loss.item() < 0.1:
            break

    assert loss.item() < 0.1
