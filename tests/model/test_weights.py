"""Weights by name: each once, and what an older file may hold."""

import pytest
import torch
from torch import nn

from mmcore.errors import ArtifactError
from mmcore.model.weights import load_state, state_of


def test_weights_that_lie_nowhere_are_told_apart_and_shared_ones_stand_once():
    with torch.device("meta"):  # as the part of divided weights that a process has nothing of
        layers = nn.ModuleDict({name: nn.Linear(3, 1) for name in ("first", "second")})
    layers["third"] = layers["second"]
    assert sorted(state_of(layers)) == ["first.bias", "first.weight", "second.bias", "second.weight"]


def test_a_buffer_that_is_no_longer_kept_may_stand_in_an_older_file():
    layer = nn.Linear(2, 1)
    layer.register_buffer("counts", torch.tensor([5.0]), persistent=False)
    load_state(layer, {"weight": torch.ones(1, 2), "bias": torch.ones(1), "counts": torch.zeros(1)}, what="the file")
    assert layer.counts == 5
    with pytest.raises(ArtifactError, match=r"unknown: count\)"):
        load_state(layer, {**layer.state_dict(), "count": torch.zeros(1)}, what="the file")
