"""Places count real tokens alone."""

import torch

from mmcore.layers.positions import positions, rotate


def test_places_step_over_masked_tokens():
    mask = torch.tensor([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()

    assert positions(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2], [0, 0, 0, 0, 0]]


def test_places_go_on_where_each_row_ended():
    mask = torch.ones(2, 2, dtype=torch.bool)

    assert positions(mask, torch.tensor([3, 0])).tolist() == [[3, 4], [0, 1]]
    assert positions(mask, 5).tolist() == [[5, 6], [5, 6]]


def test_rotation_keeps_lengths_and_depends_on_distance_alone():
    one, other = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(here: int, there: int) -> torch.Tensor:
        return (rotate(one, torch.tensor([[here]])) * rotate(other, torch.tensor([[there]]))).sum()

    torch.testing.assert_close(rotate(one, torch.tensor([[7]])).norm(), one.norm())
    torch.testing.assert_close(product(2, 5), product(40, 43), rtol=1e-4, atol=1e-4)
