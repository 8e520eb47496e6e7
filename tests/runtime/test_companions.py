"""Processes beside the first: they find each other, fail together and leave nobody behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmcore.errors import TrainingError
from mmcore.runtime.companions import companions, is_first


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_each_process_knows_its_number_and_where_to_meet(tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "TORCHELASTIC_RUN_ID")
    write = f"import os; open(f'{tmp_path}/' + os.environ['RANK'], 'w').write(','.join(os.environ[n] for n in {names}))"
    before = dict(os.environ)
    with companions(3, command(write)):
        assert is_first()
        port = os.environ["MASTER_PORT"]
    assert [(tmp_path / rank).read_text() for rank in "12"] == [f"{n},{n},3,{port},mmcore" for n in (1, 2)]
    assert dict(os.environ) == before


def test_one_process_needs_nobody_and_torchrun_has_started_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with companions(1, command("open('never', 'w')")):
        pass
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with companions(2, command("open('never', 'w')")):
        assert not is_first()
    assert not Path("never").exists()


def test_one_that_fails_is_heard() -> None:
    with (
        pytest.raises(TrainingError, match=r"(?s)process 2 of 2 ended with code 3:\nno such file.*start again"),
        companions(2, command("import sys; print('no such file'); sys.exit(3)")),
    ):
        pass


def test_whoever_fails_first_its_error_comes_first() -> None:
    with pytest.raises(ValueError, match="mine"), companions(2, command("import time; time.sleep(600)")):
        raise ValueError("mine")


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_nobody_is_left_when_the_first_is_gone(tmp_path: Path, ending: str) -> None:
    """Even by kill -9: each watches a pipe that the first holds."""
    child = (
        "import os, time; from pathlib import Path; from mmcore.runtime.lifeline import watch_lifeline; "
        "watch_lifeline(); "
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    code = (
        "import os, sys, time; from pathlib import Path; from mmcore.runtime.companions import companions\n"
        f"with companions(2, [sys.executable, '-c', {child!r}]):\n"
        f"    while not Path({str(tmp_path / 'pid')!r}).exists(): time.sleep(0.05)\n"
        f"    time.sleep(0.2); {ending}\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=200)
    pid, until = int((tmp_path / "pid").read_text()), time.monotonic() + 100
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        if "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}").exists()
