"""The loss of a whole batch, of which each process has a part."""

# B = rows of this process, W = processes

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.task import Outputs, Task
from mmcore.runtime.peers import Peers


def losses(
    tasks: Mapping[str, Task], outputs: Mapping[str, Outputs], batch: Batch, *, peers: Peers
) -> dict[str, dict[str, Tensor]]:
    """Each task's losses by name: this process's share of the whole batch's, so that all shares add up to it.

    Processes are taken to average their gradients: times W, each share pulls as the whole batch would.
    """
    single = {name: task.counts(batch).float() for name, task in tasks.items() if not task.coupled}
    whole = peers.total(torch.stack(list(single.values()))) if single else torch.empty(0)
    share = {name: count / whole[number].clamp_min(1e-12) for number, (name, count) in enumerate(single.items())}
    found = dict[str, dict[str, Tensor]]()
    for name, task in tasks.items():
        if not task.coupled:
            found[name] = {key: loss * share[name] for key, loss in task.loss(outputs[name], batch).items()}
            continue
        everyone = {key: peers.rows(output) for key, output in outputs[name].items()}
        told = task.loss(everyone, everyones(batch, task, peers))
        found[name] = {key: loss / peers.size for key, loss in told.items()}
    return found


def everyones(batch: Batch, task: Task, peers: Peers) -> Batch:
    """The rows of all processes with the fields that a task is judged by.

    Who is present is known of each, the values where a row has one number; others, which may be pictures, stay where
    they are: whoever looks at them gets an error.
    """
    fields = {name: _everyones(batch.fields[name], peers) for name in task.targets}
    return Batch(fields, row=peers.rows(batch.row), group=peers.rows(batch.group))


def _everyones(field: Field, peers: Peers) -> Field:
    present = peers.rows(field.present)
    if field.values.ndim == 1:
        return Field(peers.rows(field.values), present)
    shape = (len(present), *field.values.shape[1:])
    return Field(torch.empty(shape, dtype=field.values.dtype, device="meta"), present)
