"""What is told of a GPU without one: who waits is found, and who does not is let be."""

import functools

import numpy as np
import pytest
import torch

from mmcore.interfaces.field import Field
from mmcore.testing.gpu import fault_on_a_gpu, there, waits_on_a_gpu

MEAN = torch.tensor([1.0, 2.0])
KEPT = dict[str, float]()


@functools.cache
def bank() -> torch.Tensor:
    return torch.ones(2)


def on_the_host(x):
    return x + float(MEAN[0]) + sum(float(m) for m in MEAN)


def pinned(x):
    if x.device.type == "cpu":
        return x
    return x + torch.from_numpy(np.ones(2, np.float32)).pin_memory().to(x.device, non_blocking=True)


def under_autocast(x):
    with torch.autocast(x.device.type, enabled=False):
        return x.float()


def asked_once(x):
    if x.device.type not in KEPT:
        KEPT[x.device.type] = float(x.sum())
    return x * KEPT[x.device.type]


def kept_by_all(x):
    return x + bank().to(x.device, non_blocking=True)


def asked(x):
    return x * float(x.max())


def chosen(x):
    return x[x > 0]


def chosen_and_set(x):
    found = x.clone()
    found[x > 0] = x[0, 0]
    return found


def brought(x):
    return x + MEAN.to(x.device)


def written_into(x):
    found = torch.empty(2, device=x.device)
    found.copy_(MEAN)
    return x + found


def waits_of(work) -> list[str]:
    field = Field(torch.ones(3, 2), torch.ones(3, dtype=torch.bool))
    return waits_on_a_gpu(lambda given: work(given.values), field)


@pytest.mark.parametrize("work", [on_the_host, pinned, under_autocast, asked_once, kept_by_all])
def test_who_does_not_wait_is_let_be(work):
    KEPT.clear()
    assert not waits_of(work)
    assert type(bank()) is torch.Tensor


@pytest.mark.parametrize(
    ("work", "saying"),
    [(asked, "asks"), (chosen, "asks"), (chosen_and_set, "asks"), (brought, "blocks"), (written_into, "blocks")],
)
def test_who_waits_is_found(work, saying):
    assert any(saying in one for one in waits_of(work))


def test_tensors_of_two_devices_are_a_fault_and_numbers_that_are_asked_for_are_not():
    assert "device" in fault_on_a_gpu(lambda: there(torch.ones(2)) + MEAN)
    assert fault_on_a_gpu(lambda: there(torch.ones(2)) + torch.tensor(1.0)) is None  # torch allows a single number
    assert fault_on_a_gpu(lambda: asked(there(torch.ones(2)))) is None
