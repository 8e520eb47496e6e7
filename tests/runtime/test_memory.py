"""What is freed stays with the process."""

import os
import platform
import subprocess
import sys

import pytest

from mmcore.runtime.memory import CHOSEN

CODE = """
import resource
from mmcore.runtime.memory import keep_freed_memory
kept = keep_freed_memory()
def use():
    held = [b"x" * 20_000_000 for _ in range(3)]
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use(), use()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    """Whether memory is kept, and how many pages were new when as much was wanted again, twice."""
    clean = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True)
    kept, count = done.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_freed_is_not_new_when_it_is_wanted_again():
    kept, count = faults()
    chosen, more = faults(GLIBC_TUNABLES="")  # what docs/devices.md says
    assert kept
    assert not chosen
    assert count < more / 2  # huge pages make them few in any case


def test_another_library_is_left_alone(monkeypatch):
    code = "import platform; platform.libc_ver = lambda: ('', '')"
    monkeypatch.setattr(sys.modules[__name__], "CODE", code + CODE)
    assert not faults()[0]
