"""A module that draws a random number when it is imported."""

import torch

from tests.testing.contracts import ToyConnector

SHIFT = torch.rand(1)


class Noisy(ToyConnector):
    """Breaks nothing but the promise that an import does no work."""
