"""Batches whose gradients are added pull as one batch of all their rows would."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.runtime.fabric import launch
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from mmcore.training.step import Carried, Stepper
from tests.training.test_several_tasks import PLAN, TASKS

ROWS = torch.arange(12)


def uneven() -> Batch:
    """Twelve rows: most labels are in the second half, and texts are of several lengths."""
    batch = toy_batch(12, seed=5)
    return batch.with_fields({"label": batch.fields["label"].hide(torch.tensor([0, 1, 2, 4]))})


def pull(task: str, group: list[Batch], chunk: int | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """The group's summed loss and the gradients of the encoders."""
    model = assemble(replace(PLAN, tasks={task: TASKS[task]}), toy_modalities(), seed=0, plugins=toy_plugins()).train()
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    stepper = Stepper(Carried(model), model, fabric, toy_modalities(), {}, torch.Generator(), chunk)
    loss = stepper.backward(group)
    return loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("first", [6, 8])
@pytest.mark.parametrize("task", ["answer", "say"])
def test_what_is_a_mean_over_rows_or_tokens_is_one_over_all_of_them(task: str, first: int, chunk: int | None) -> None:
    whole, parts = uneven(), [uneven().pick(ROWS[:first]), uneven().pick(ROWS[first:])]
    loss, expected = pull(task, [whole])
    found_loss, found = pull(task, parts, chunk)
    torch.testing.assert_close(found_loss / len(parts), loss)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_batch_without_any_target_pulls_on_nothing() -> None:
    some, none = uneven().pick(ROWS[6:]), uneven().pick(torch.tensor([0, 1, 2, 4]))
    loss, expected = pull("answer", [some])
    found_loss, found = pull("answer", [none, some])
    torch.testing.assert_close(found_loss / 2, loss)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_losses_that_tie_samples_together_see_one_batch_at_a_time() -> None:
    parts = [uneven().pick(ROWS[:8]), uneven().pick(ROWS[8:])]
    each = [pull("near", [part]) for part in parts]
    loss, found = pull("near", parts)
    torch.testing.assert_close(loss, each[0][0] + each[1][0])
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, (each[0][1][name] + each[1][1][name]) / 2, rtol=1e-4, atol=1e-6, msg=name)
