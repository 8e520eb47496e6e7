import argparse

import pytest

from flows.options import jobs, port


@pytest.mark.parametrize("text", ["0", "-1", "65536", "http", ""])
def test_a_port_is_a_number_that_a_server_can_have(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"from 1 to 65535, got '{text}'"):
        port(text)


def test_what_can_be_had_is_read():
    assert [port("1"), port("65535"), jobs("3")] == [1, 65535, 3]
