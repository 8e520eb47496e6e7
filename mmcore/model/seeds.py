"""Random numbers for one part of a model, whatever else the model has."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(seed: int, name: str) -> int:
    """A seed for the part `name`: adding another part changes nothing in this one."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Torch's random numbers start from the part's own seed inside, and go on as before outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, name))
        yield
