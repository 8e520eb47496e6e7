"""Releases on a remote that speaks S3: a server of this machine, reached by DVC's own programs."""

import logging
import subprocess
import sys

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "models"


@pytest.fixture
def bucket(monkeypatch):
    """Its address, and how many files lie in it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket=BUCKET)
    yield f"http://{host}:{port}", lambda: client.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    server.stop()


@pytest.mark.slow  # DVC as processes of its own
def test_a_release_goes_to_s3_and_another_machine_gets_its_bytes_from_there(released, real_dvc, bucket, tmp_path):
    address, count = bucket
    (released.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = far\n['remote \"far\"']\n    url = s3://{BUCKET}/dvc\n    endpointurl = {address}\n"
    )
    released.commit()
    released.data(2)
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert count() > 0
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(released.root), str(other)], check=True)
    get = [sys.executable, "-m", "dvc", "artifacts", "get", str(other), "model", "--rev", "v1.1.0", "-q", "-o", "got"]
    subprocess.run(get, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert (tmp_path / "got" / "value").read_text() == "2\n"
