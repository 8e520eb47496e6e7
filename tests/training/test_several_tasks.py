"""Several tasks on one model: each pulls with its weight, whatever it learns."""

from dataclasses import replace

import pytest
import torch

from mmcore.model.assemble import assemble
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from mmcore.training.step import Carried, Stepper

TASKS = {
    "answer": Part("toy_classification", {"target": "label"}),
    "near": Part("toy_alignment", {"first": "sequence", "second": "vector"}),
    "say": Part("toy_generation", {"target": "sequence"}),
}
PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks=TASKS,
)


def gradients(weights, tasks=tuple(TASKS), chunk=None):
    """Of what all tasks share, for one batch."""
    plan = replace(PLAN, tasks={name: TASKS[name] for name in tasks})
    model = assemble(plan, toy_modalities(), seed=0, plugins=toy_plugins()).train()
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    stepper = Stepper(Carried(model), model, fabric, toy_modalities(), weights, torch.Generator(), chunk)
    stepper.backward([toy_batch(12, seed=5)])
    shared = {name: p for name, p in model.named_parameters() if name.startswith("encoders")}
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in shared.items()}


@pytest.mark.parametrize("chunk", [None, 5])
def test_the_pull_is_the_weighted_sum_of_each_tasks_own(chunk):
    weights = {"answer": 1.0, "near": 0.5, "say": 0.2}
    together = gradients(weights, chunk=chunk)
    alone = {task: gradients({}, (task,), chunk) for task in TASKS}
    for name, found in together.items():
        expected = sum(weights[task] * alone[task][name] for task in TASKS)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_task_without_weight_pulls_on_nothing():
    without = gradients({"near": 0.0, "say": 0.0})
    alone = gradients({}, ("answer",))
    for name in alone:
        torch.testing.assert_close(without[name], alone[name], rtol=1e-4, atol=1e-6)
