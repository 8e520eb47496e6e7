"""An S3 server of this machine, with one bucket in it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

NAME = "models"


@dataclass(frozen=True)
class Bucket:
    """Where it is, and what puts things into it."""

    endpoint: str
    client: Any
    name: str = NAME

    def put(self, key: str, text: str) -> None:
        """A file with this text."""
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def count(self) -> int:
        """How many files it has."""
        return int(self.client.list_objects_v2(Bucket=self.name)["KeyCount"])


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Everybody may write to it; programs that know the usual variables find it."""
    import boto3  # not above: these take seconds, and few tests want them
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    settings = {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=NAME)
    yield Bucket(endpoint, client)
    server.stop()
