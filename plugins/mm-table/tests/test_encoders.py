"""What is special about the encoders of tables."""

import pytest
import torch
from mm_table.mlp import TableMLP
from mm_table.transformer import FTTransformer
from torch import nn

from mmcore.errors import ConfigError
from mmcore.interfaces.field import Field

FACTS = {"numbers": ("x", "y"), "categories": ("c",), "cardinalities": (4,)}
MAKERS = [lambda: TableMLP(FACTS, widths=(16,), dropout=0.0), lambda: FTTransformer(FACTS, width=16, dropout=0.0)]


def table(*rows) -> Field:
    """Rows of ((value, known), ..)."""
    return Field(torch.tensor(rows, dtype=torch.float32), torch.ones(len(rows), dtype=torch.bool))


def walked(encoder, field):
    tokens = encoder.embed(field)
    for stage in encoder.stages:
        tokens = stage(tokens)
    return tokens


def test_each_feature_is_a_token_of_the_transformer():
    assert FTTransformer(FACTS).embed(table([[0, 1], [1, 1], [2, 1]])).values.shape == (1, 3, 64)


def test_an_mlp_gives_one_token():
    assert walked(TableMLP(FACTS), table([[0, 1], [1, 1], [2, 1]])).values.shape == (1, 1, 128)


@pytest.mark.parametrize("make", MAKERS)
def test_missing_is_another_thing_than_the_median(make):
    torch.manual_seed(0)
    there, gone = [[0.5, 1], [0, 1], [1, 1]], [[0.5, 0], [0, 1], [1, 1]]
    found = walked(make().eval(), table(there, gone)).pool()
    assert not torch.allclose(found[0], found[1], atol=1e-4)


@pytest.mark.parametrize("make", MAKERS)
def test_a_missing_category_does_not_tell_its_code(make):
    found = walked(make().eval(), table([[0, 1], [0, 1], [0, 0]], [[0, 1], [0, 1], [3, 0]])).pool()
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("make", MAKERS)
def test_an_encoder_learns_what_depends_on_a_number_and_a_category_together(make):
    torch.manual_seed(0)
    encoder, head = make(), nn.Linear(16, 1)
    values = torch.ones(256, 3, 2)
    values[:, :2, 0] = torch.randn(256, 2)
    values[:, 2, 0] = torch.randint(4, (256,)).float()
    truth = torch.where(values[:, 2, 0] > 1.5, values[:, 0, 0], -values[:, 0, 0])
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    for _ in range(200):
        field = Field(values, torch.ones(256, dtype=torch.bool))
        loss = (head(walked(encoder, field).pool()).squeeze(1) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.15 * truth.var().item()


def test_what_was_never_seen_starts_in_the_middle_of_what_was():
    encoder = TableMLP({"numbers": (), "categories": ("a", "b"), "cardinalities": (3, 2)})
    assert (encoder.features.table.weight[[0, 3]] == 0).all()
    assert (encoder.features.table.weight[[1, 2, 4]] != 0).all()


def test_heads_must_share_the_width():
    with pytest.raises(ConfigError, match="10 cannot be dealt to 4 heads"):
        FTTransformer(FACTS, width=10)
