"""Weights by name: each once, and what an older file may hold."""

import torch
from torch import nn

from mmcore.model.weights import state_of


def test_weights_that_lie_nowhere_are_told_apart_and_shared_ones_stand_once():
    with torch.device("meta"):  # as the part of divided weights that a process has nothing of
        layers = nn.ModuleDict({name: nn.Linear(3, 1) for name in ("first", "second")})
    layers["third"] = layers["second"]
    assert sorted(state_of(layers)) == ["first.bias", "first.weight", "second.bias", "second.weight"]
