"""The processes of one training: each has a part of every batch, all have the same weights."""

# B = rows of this process, W = processes

from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from mmcore.runtime.fabric import Fabric

T = TypeVar("T")
_gather: Any = getattr(distributed, "all_gather_single", None) or distributed.all_gather_into_tensor
"""Renamed in torch 2.14."""


class Peers:
    """What processes tell each other. With one process each of these is free, and gives what it was given."""

    def __init__(self, fabric: Fabric) -> None:
        """fabric: launched."""
        self.rank, self.size = int(fabric.global_rank), int(fabric.world_size)
        # What the hosts agree on goes by way of the CPU, so that nobody waits for a device.
        self._hosts: Any = None
        if self.size > 1 and fabric.device.type != "cpu":
            self._hosts = distributed.new_group(backend="gloo")

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0

    def rows(self, tensor: Tensor) -> Tensor:
        """[B,...] -> [W*B,...]: the rows of all processes in order, which have as many each.

        The gradient of the own rows comes W times: processes take the mean of their gradients.
        """
        if self.size == 1:
            return tensor
        plain = tensor.detach().contiguous()
        bits = plain.view(torch.uint8) if plain.dtype == torch.bool else plain
        found = bits.new_empty((self.size * len(bits), *bits.shape[1:]))
        _gather(found, bits)
        found = found.view(plain.dtype)
        if not tensor.requires_grad:
            return found
        own = plain + self.size * (tensor - plain)
        start = self.rank * len(plain)
        return torch.cat([found[:start], own, found[start + len(plain) :]])

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, without a gradient; stays on the device."""
        if self.size == 1:
            return tensor
        found = tensor.detach().clone()
        distributed.all_reduce(found)
        return found

    def agree(self, *numbers: int) -> list[int]:
        """Of each number the largest that a process has."""
        if self.size == 1:
            return list(numbers)
        found = torch.tensor(numbers, dtype=torch.int64)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self._hosts)
        return [int(number) for number in found]

    def each(self, tensor: Tensor) -> list[Tensor]:
        """A tensor on the CPU as every process has it, by rank."""
        if self.size == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(found, tensor.contiguous(), group=self._hosts)
        return found

    def mean_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Give each parameter that learns the mean of all processes' gradients, where the strategy does not do so."""
        for parameter in parameters if self.size > 1 else ():
            if not parameter.requires_grad:
                continue  # none is not zero: with zeros the optimizer goes on by its moments, and by weight decay
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self.total(own) / self.size

    def from_first(self, value: T) -> T:
        """What the first process has."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, group=self._hosts)
        return box[0]

    def meet(self) -> None:
        """Wait until all are here."""
        if self.size > 1:
            distributed.barrier(group=self._hosts)
