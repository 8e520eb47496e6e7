"""Cells that are read when they are asked for."""

import numpy as np
import pytest

from mmcore.data.live import LiveArrays
from mmcore.errors import DataError
from tests.stages.project import BlobModality


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "one").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"cannot read 'one' of a row that counts: .*no blob"):
        LiveArrays(BlobModality(), [None, "one"], tmp_path, forgiving=False).take(np.array([0, 1]))


def test_what_cannot_be_read_is_as_if_it_were_missing_where_that_is_allowed(tmp_path):
    (tmp_path / "one").write_bytes(b"broken")
    (tmp_path / "two").write_bytes(b"2")
    found = LiveArrays(BlobModality(), ["one", "two"], tmp_path, forgiving=True).take(np.array([0, 1]))
    assert found[0] is None
    assert found[1].tolist() == [ord("2")]
