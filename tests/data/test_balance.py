"""Each value as often as the others."""

import numpy as np
import pytest

from mmcore.data.balance import even_shares
from mmcore.errors import ConfigError


def test_each_value_is_drawn_equally_often() -> None:
    arrays = [np.array(label) for label in [0] * 90 + [1] * 9 + [2]]
    shares = even_shares(arrays, key="training.balance")
    assert shares.sum() == pytest.approx(1)
    assert [shares[:90].sum(), shares[90:99].sum(), shares[99:].sum()] == pytest.approx([1 / 3] * 3)


def test_rows_without_a_value_keep_their_share() -> None:
    arrays = [np.array(0), np.array(0), np.array(1), None]
    shares = even_shares(arrays, key="training.balance")
    assert shares.tolist() == pytest.approx([0.1875, 0.1875, 0.375, 0.25])


def test_a_field_with_a_value_for_each_row_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"training.balance must name a field with few values, but 50 .* 50"):
        even_shares([np.array(n) for n in range(50)], key="training.balance")
