"""A machine that takes connections and says nothing."""

import socket

import pytest


class Silent:
    """`address` is its host and port."""

    def __init__(self, listener):
        self._listener = listener
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def is_left(self):
        """Whether whoever asked first has hung up; waits for that, as long as a test may take."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(60)
            while connection.recv(65536):
                pass
        return True


@pytest.fixture
def silent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Silent(listener)
