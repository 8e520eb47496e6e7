"""Releases on a remote that speaks S3: a server of this machine, reached by DVC's own programs."""

import subprocess
import sys

import pytest


@pytest.mark.slow  # DVC as processes of its own
def test_a_release_goes_to_s3_and_another_machine_gets_its_bytes_from_there(released, real_dvc, bucket, tmp_path):
    (released.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = far\n['remote \"far\"']\n    url = s3://{bucket.name}/dvc\n"
        f"    endpointurl = {bucket.endpoint}\n"
    )
    released.commit()
    released.data(2)
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert bucket.count() > 0
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(released.root), str(other)], check=True)
    get = [sys.executable, "-m", "dvc", "artifacts", "get", str(other), "model", "--rev", "v1.1.0", "-q", "-o", "got"]
    subprocess.run(get, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert (tmp_path / "got" / "value").read_text() == "2\n"
