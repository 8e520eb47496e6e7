import pytest

from flows.gpus import Gpus, visible_gpus


@pytest.mark.parametrize(("chosen", "names"), [("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-ab", ["GPU-ab"])])
def test_the_variable_decides_which_there_are(monkeypatch, chosen, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == names


def driver(folder, text):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(("text", "names"), [("echo 0; echo 1", ["0", "1"]), ("echo broken; exit 9", [])])
def test_else_the_driver_is_asked(monkeypatch, tmp_path, text, names):
    driver(tmp_path, text)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpus() == names


def test_nobody_gets_what_another_has():
    gpus = Gpus(["0", "1", "2"])
    assert gpus.take("a", 2) == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert gpus.take("b", 1) == {"CUDA_VISIBLE_DEVICES": "2"}
    gpus.give_back("a")
    assert gpus.take("c", 1) == {"CUDA_VISIBLE_DEVICES": "0"}


def test_on_a_machine_without_any_nothing_is_said():
    gpus = Gpus([])
    assert gpus.take("a", 1) == {}
    gpus.give_back("a")
