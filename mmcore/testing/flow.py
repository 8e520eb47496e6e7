"""Whether gradients flow where values do: what a part is given must learn of what comes out."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Given = Mapping[str, Tensor]
"""Float tensors by name, of any shape."""
CUT = "A detach, no_grad, argmax or rounding cuts it off."
CHANGED = 1e-6
"""How far a result moves at least that hangs on what was changed."""


def cut_off(compute: Callable[[Given], Given], given: Given) -> list[str]:
    """The names of what changes a result, and gets no gradient from it.

    compute: what comes out by name, the same each time.
    """
    leaves = {name: values.detach().clone().requires_grad_() for name, values in given.items()}
    found, lost = compute(leaves), set[str]()
    for result, values in sorted(found.items()):
        draw = torch.Generator().manual_seed(11)
        pulled = _gradients((values * torch.randn(values.shape, generator=draw)).sum(), leaves)
        lost |= {name for name in leaves if not pulled[name] and _moves(compute, leaves, name, result)}
    return sorted(lost)


def _gradients(total: Tensor, leaves: Given) -> dict[str, bool]:
    """Which of the leaves get one that is not zero everywhere."""
    if not total.requires_grad:
        return dict.fromkeys(leaves, False)
    pulls = torch.autograd.grad(total, list(leaves.values()), retain_graph=True, allow_unused=True)
    return {name: pull is not None and bool(pull.any()) for name, pull in zip(leaves, pulls, strict=True)}


@torch.no_grad()
def _moves(compute: Callable[[Given], Given], given: Given, name: str, result: str) -> bool:
    """Whether a result is another where a tensor is."""
    draw = torch.Generator().manual_seed(12)
    other = {**given, name: given[name] + torch.randn(given[name].shape, generator=draw)}
    return not torch.allclose(compute(given)[result], compute(other)[result], rtol=CHANGED, atol=CHANGED)
