"""What a module holds: every float tensor that can be reached from it, registered or not."""

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

OPEN = 0.2
"""How far parameters are shaken, so that one sees behind gates that start closed (LayerScale, a head of zeros)."""


def reachable(module: nn.Module) -> dict[str, Tensor]:
    """Path -> float tensor, each once: parameters, buffers, and what lies in plain attributes, lists and dicts.

    Modules that lie in a Python list are walked through too: torch does not see them, so they neither train nor save.
    """
    found = dict[int, tuple[str, Tensor]]()
    walked = set[int]()
    todo: list[tuple[str, object]] = [("", module)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, Tensor):
            if value.is_floating_point():
                found.setdefault(id(value), (path, value))
        elif id(value) not in walked:
            walked.add(id(value))
            todo += list(_inside(path, value))
    return dict(sorted(found.values(), key=lambda pair: pair[0]))


def _inside(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, nn.Module):
        for name, item in vars(value).items():
            if name in ("_parameters", "_buffers", "_modules"):
                yield from _inside(path, item)
            else:
                yield _joined(path, name), item
    elif isinstance(value, dict):
        for name, item in value.items():
            yield _joined(path, str(name)), item
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            yield _joined(path, str(number)), item


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def shake(module: M, *, size: float = 0.05, seed: int = 7) -> M:
    """The module with small random numbers added to every parameter: gates that start at zero open, ties are broken."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter), alpha=size)
    return module
