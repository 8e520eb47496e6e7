"""Losses over batches larger than memory: gradient caching (Gao et al. 2021, 2101.06983), exact."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.task import Outputs

Forward = Callable[[Batch], tuple[dict[str, Outputs], Batch]]
"""A raw batch -> the outputs of each task, and the batch as it was prepared."""


def backward_in_chunks(
    batch: Batch,
    *,
    size: int,
    forward: Forward,
    loss: Callable[[Mapping[str, Outputs], Batch], Tensor],
    backward: Callable[[Tensor], None],
    generator: torch.Generator,
    targets: Collection[str],
    scale: float,
    quiet: Callable[[bool], AbstractContextManager[None]] = lambda last: nullcontext(),
) -> Tensor:
    """Add the gradients that the whole batch would give while only `size` samples are in memory; returns its loss.

    Each chunk goes through the model twice: without a graph for its outputs, from which the loss over all samples and
    its gradient with respect to each output follow; then, with the same random numbers (dropout, augmentation), with a
    graph, to carry those gradients on to the parameters. generator: what augmentation draws from. targets: the fields
    that losses see as they were prepared; the others, which may be large, they see as they came. quiet: what each
    chunk's second way goes through in; told whether it is the last.
    """
    rows = torch.arange(len(batch), device=batch.row.device)
    chunks = [batch.pick(rows[start : start + size]) for start in range(0, len(batch), size)]
    states, found, prepared = list[tuple[Tensor, ...]](), list[dict[str, Outputs]](), list[dict[str, Field]]()
    with torch.no_grad():
        for chunk in chunks:
            states.append(_random_states(generator))
            outputs, ready = forward(chunk)
            found.append(outputs)
            prepared.append({name: ready.fields[name] for name in targets})
    after = _random_states(generator)
    whole = {task: _stacked([outputs[task] for outputs in found]) for task in found[0]}
    total = loss(whole, batch.with_fields({name: _joined([part[name] for part in prepared]) for name in targets}))
    backward(total * scale)
    _set_random_states(after, generator)
    for number, chunk in enumerate(chunks):
        _set_random_states(states[number], generator)
        with quiet(number == len(chunks) - 1):
            outputs, _ = forward(chunk)
            start = number * size
            backward(_towards(outputs, whole, start=start, stop=start + len(chunk)))
    _set_random_states(after, generator)
    return total.detach()


def _stacked(parts: list[Outputs]) -> Outputs:
    """One task's outputs of all chunks; those that are numbers collect a gradient."""
    whole = {name: torch.cat([part[name].detach() for part in parts]) for name in parts[0]}
    return {name: value.requires_grad_(value.is_floating_point()) for name, value in whole.items()}


def _joined(parts: list[Field]) -> Field:
    """The samples of all parts; cut from one batch, they are padded to one length."""
    first = parts[0]
    mask = None if first.mask is None else torch.cat([part.mask for part in parts if part.mask is not None])
    scored = None if first.scored is None else torch.cat([part.scored for part in parts if part.scored is not None])
    values, present = torch.cat([part.values for part in parts]), torch.cat([part.present for part in parts])
    return replace(first, values=values, present=present, mask=mask, scored=scored)


def _towards(outputs: Mapping[str, Outputs], whole: Mapping[str, Outputs], *, start: int, stop: int) -> Tensor:
    """A number whose gradient with respect to a chunk's outputs is what the loss over all samples asks of them."""
    parts = list[Tensor]()
    for task, values in outputs.items():
        for name, value in values.items():
            wanted = whole[task][name].grad
            if wanted is not None and value.requires_grad:
                parts.append((value * wanted[start:stop]).sum())
    return torch.stack(parts).sum()


def _random_states(generator: torch.Generator) -> tuple[Tensor, ...]:
    """What a forward pass may draw from."""
    states = (torch.get_rng_state(), generator.get_state())
    return (*states, torch.cuda.get_rng_state()) if torch.cuda.is_available() else states


def _set_random_states(states: tuple[Tensor, ...], generator: torch.Generator) -> None:
    torch.set_rng_state(states[0])
    generator.set_state(states[1])
    if len(states) > 2:
        torch.cuda.set_rng_state(states[2])
