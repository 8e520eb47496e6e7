"""What is special about the encoders of series."""

import pytest
import torch
from mm_series.cnn import SeriesCNN
from mm_series.rnn import SeriesRNN

from mmcore.errors import ConfigError
from mmcore.interfaces.field import Field

FACTS = {"channels": 2, "names": (), "max_steps": 64}


def series(*lengths) -> Field:
    values = torch.randn(len(lengths), max(lengths), 2, 2)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return Field(values, torch.ones(len(lengths), dtype=torch.bool), mask)


def walked(encoder, field):
    tokens = encoder.embed(field)
    for stage in encoder.stages:
        tokens = stage(tokens)
    return tokens


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 7])
def test_a_strided_cnn_has_a_token_for_each_started_stride_whatever_the_padding(padding):
    encoder = SeriesCNN(FACTS, widths=(8, 8), strides=(2, 3)).eval()
    values, length = torch.randn(1, 13, 2, 2), 13
    padded = torch.cat([values, torch.full((1, padding, 2, 2), 9.0)], 1)
    mask = (torch.arange(length + padding) < length).unsqueeze(0)
    found = walked(encoder, Field(padded, torch.tensor([True]), mask))
    assert found.mask.sum() == 3  # 13 -> 7 -> 3
    alone = walked(encoder, Field(values, torch.tensor([True])))
    torch.testing.assert_close(found.values[:, :3], alone.values)


def test_the_grid_of_a_cnn_is_time():
    assert walked(SeriesCNN(FACTS), series(9, 4)).grid == (3,)


def test_an_rnn_has_a_token_for_each_step():
    found = walked(SeriesRNN(FACTS), series(9, 4))
    assert found.mask.sum(1).tolist() == [9, 4]
    assert found.grid is None


def test_the_settings_of_a_cnn_must_fit_each_other():
    with pytest.raises(ConfigError, match="a stride for each width"):
        SeriesCNN(FACTS, widths=(8,), strides=(1, 2))
