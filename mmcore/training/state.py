"""Everything a training must remember to go on to the same bytes."""

import random
from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmcore.model.seeds import seed_of
from mmcore.model.weights import load_state, state_of
from mmcore.runtime.peers import Peers
from mmcore.training.divided import divided, like, own_part, whole


@dataclass
class Position:
    """Where a training stands: in plain numbers, so that it can be written as JSON."""

    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    step: int = 0
    """Optimizer steps done, over all epochs."""
    best_score: float | None = None
    best_epoch: int | None = None
    curves: list[dict[str, float]] = field(default_factory=list)
    """One row an epoch: epoch, step, lr, loss, and what validation gave."""


@dataclass
class State:
    """The moving parts of a training. Tensors are held by reference: `tensors` reads them, `restore` writes them."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    """What augmentation draws from."""
    position: Position
    loss_sum: Tensor
    """float64, on the device: the losses of this epoch's batches so far, or this process's share of them."""
    peers: Peers
    """The processes that train together."""
    seed: int = 0
    """What random states start from where a checkpoint has none for this process."""
    average: dict[str, Tensor] | None = None
    """Moving average of the weights, where there is one."""
    beside: nn.Module | None = None
    """What learns along with the model and is no part of it."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The weights to keep as of now, on the CPU: those of the best epoch, of the last, or a mean of several."""

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name: weights, moments, averages, random states; all processes must ask together."""
        found = {f"model/{name}": whole(tensor) for name, tensor in state_of(self.model).items()}
        found |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        found |= {f"average/{name}": whole(tensor) for name, tensor in (self.average or {}).items()}
        if self.beside is not None:
            found |= {f"beside/{name}": tensor for name, tensor in state_of(self.beside).items()}
        names = self._names()
        for index, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{names[index]}/{key}": whole(value) for key, value in moments.items()}
        found["loss_sum"] = self.peers.total(self.loss_sum)
        for name, tensor in _random_states(self.generator).items():
            for rank, state in enumerate(self.peers.each(tensor.cpu())):
                found[f"{_random_of(rank)}{name}"] = state
        return found

    def restore(self, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        """Take over what `tensors` and `plain` gave in an earlier process."""
        device = self.loss_sum.device
        load_state(self.model, divided(_under(tensors, "model/"), self.model), what="the checkpoint")
        self.best = _under(tensors, "best/")
        if self.average is not None:
            average = {name: value.to(device) for name, value in _under(tensors, "average/").items()}
            self.average = divided(average, self.model)
        if self.beside is not None:
            load_state(self.beside, _under(tensors, "beside/"), what="the checkpoint")
        moments = dict[str, dict[str, Tensor]]()
        for place, value in _under(tensors, "optimizer/").items():
            name, key = place.rsplit("/", 1)
            moments.setdefault(name, {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        pairs = enumerate(zip(self._names(), parameters, strict=True))
        ready = {n: like(moments[name], parameter) for n, (name, parameter) in pairs if name in moments}
        self.optimizer.load_state_dict({"state": ready, "param_groups": groups})
        self.loss_sum = tensors["loss_sum"].to(device) if self.peers.first else torch.zeros_like(self.loss_sum)
        self.position = Position(**position)
        random_states = _under(tensors, _random_of(self.peers.rank))
        if random_states:
            _set_random_states(random_states, self.generator)
        else:  # written by fewer processes
            seed_process(self.seed, self.generator, rank=self.peers.rank, step=self.position.step)

    def broken(self) -> list[str]:
        """The trained weights that are not finite, by name; all processes must ask together. Waits for the device."""
        weights = [weight.detach() for group in self.optimizer.param_groups for weight in group["params"]]
        faulty = torch.stack([(~own_part(weight).isfinite()).any() for weight in weights])
        return list(compress(self._names(), self.peers.total(faulty.long()).tolist()))

    def _names(self) -> list[str]:
        """What the optimizer's parameters are called, in its order, which is another one where they are divided."""
        named = {id(parameter): name for name, parameter in self.model.named_parameters()}
        if self.beside is not None:
            named |= {id(parameter): f"beside/{name}" for name, parameter in self.beside.named_parameters()}
        return [named[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]]

    def plain(self) -> dict[str, Any]:
        """The position, ready for JSON."""
        return asdict(self.position)


def seed_process(seed: int, generator: torch.Generator, *, rank: int, step: int = 0) -> None:
    """Random numbers of its own for each process; the first has those of a training without others."""
    of = f"/{rank}/{step}" if rank else ""
    torch.manual_seed(seed_of(seed, f"training{of}"))
    generator.manual_seed(seed_of(seed, f"augment{of}"))


def _random_of(rank: int) -> str:
    return f"random-{rank}/" if rank else "random/"


def _under(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _random_states(generator: torch.Generator) -> dict[str, Tensor]:
    """The states of every random source that a plugin may draw from."""
    _, keys, position, *_ = np.random.get_state(legacy=True)
    python = random.getstate()[1]
    found = {
        "torch": torch.get_rng_state(),
        "augment": generator.get_state(),
        "numpy": torch.from_numpy(np.append(np.asarray(keys, dtype=np.int64), np.int64(position))),
        "python": torch.tensor(python, dtype=torch.int64),
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def _set_random_states(states: dict[str, Tensor], generator: torch.Generator) -> None:
    torch.set_rng_state(states["torch"].cpu())
    generator.set_state(states["augment"].cpu())
    numbers = states["numpy"].cpu().numpy()
    np.random.set_state(("MT19937", numbers[:-1].astype(np.uint32), int(numbers[-1]), 0, 0.0))
    random.setstate((3, tuple(states["python"].tolist()), None))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())
