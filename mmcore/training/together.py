"""The loss of a whole batch, or of several that are added up, of which each process has a part."""

# B = rows of this process, W = processes

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.task import Outputs, Task
from mmcore.runtime.peers import Peers

Shares = Mapping[str, Tensor]
"""What a batch's loss is multiplied by, by task; coupled ones have none."""


def shares(tasks: Mapping[str, Task], group: Sequence[Batch], *, peers: Peers | None) -> list[Shares]:
    """For each batch of a group what there is in it of what its tasks take their means over, 1 where all have the same.

    The mean of the losses times these is the loss that one batch of all rows would have, those of other processes too.
    """
    single = {name: task for name, task in tasks.items() if not task.coupled}
    if not single:
        return [{} for _ in group]
    counts = torch.stack([torch.stack([task.counts(batch).float() for task in single.values()]) for batch in group])
    whole = counts.sum(0) if peers is None else peers.total(counts.sum(0))
    return [dict(zip(single, share, strict=True)) for share in counts * len(group) / whole.clamp_min(1e-12)]


def losses(
    tasks: Mapping[str, Task], outputs: Mapping[str, Outputs], batch: Batch, *, peers: Peers, share: Shares | None
) -> dict[str, dict[str, Tensor]]:
    """Each task's losses by name: this process's share of the whole batch's, so that all shares add up to it.

    share: where there is more than this batch to take means over. Processes are taken to average their gradients: times
    W, each share pulls as the whole batch would.
    """
    own = shares(tasks, [batch], peers=peers)[0] if share is None else share
    found = dict[str, dict[str, Tensor]]()
    for name, task in tasks.items():
        if not task.coupled:
            found[name] = {key: loss * own[name] for key, loss in task.loss(outputs[name], batch).items()}
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
