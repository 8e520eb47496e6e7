"""Programs that need not import their libraries anew: one process has imported them, and forks for each call.

What a test starts as `mm` is a small program then, which hands its arguments, folder, environment and open files to
that process, waits, and ends as the call ends. Of this project nothing is imported before the fork: each call finds the
code that lies there at that moment. Run as a script: SOCKET MODULE ...
"""

import atexit
import gc
import importlib
import os
import select
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

HEAVY = (
    "torch", "torch._dynamo", "torch.distributed.tensor", "torch.distributed.fsdp", "lightning_fabric", "numpy", "yaml",
    "pyarrow.parquet", "pyarrow.csv", "pyarrow.compute", "safetensors.torch", "typer", "rich.console", "rich.progress",
    "matplotlib.figure", "jinja2", "PIL.Image", "tokenizers",
)  # fmt: skip
"""None that brings a plugin for pytest, which has to be imported by pytest."""
OF_DVC = ("dvc.cli", "dvc.repo", "dvc.repo.reproduce", "dvc.stage", "dvc.commands.repro", "dvc.commands.status")
CALLS = {"mm": "mmcore.cli.main:main", "dvc": "dvc.cli:main", "pytest": "pytest:main"}

CLIENT = """#!{python} -ISs
import os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
parts = [{call!r}, os.getcwd(), str(len(sys.argv)), *sys.argv]
parts += [f"{{key}}={{value}}" for key, value in os.environ.items()]
told = "\\0".join(parts).encode("utf-8", "surrogateescape")
socket.send_fds(link, [len(told).to_bytes(8, "big")], [0, 1, 2])
link.sendall(told)
answer = link.recv(8)
code = int(answer) if answer else 70
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextmanager
def programs(folder: Path, environment: Mapping[str, str], *, python: str = sys.executable) -> Iterator[None]:
    """Inside, the programs in `folder`, which is to be the first of PATH, are the quick ones.

    environment: what the process starts with; a call has its own. python: the interpreter of a virtual environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    with tempfile.TemporaryDirectory(prefix="mmcore-") as short:  # a socket's path has to be short
        address = str(Path(short) / "s")
        for name, call in CALLS.items():
            script = folder / name
            script.write_text(CLIENT.format(python=python, address=address, call=call))
            script.chmod(0o755)
        # It goes when its input is closed, however this process ends.
        command = [python, "-P", __file__, address, *HEAVY, *OF_DVC]
        with subprocess.Popen(command, env=kept, stdin=subprocess.PIPE) as server:
            while not Path(address).exists():  # who connects earlier is refused
                assert server.poll() is None, "the process that forks for each call has ended"
                time.sleep(0.05)
            yield


def _serve(address: str) -> tuple[str, list[str]]:
    """Fork for each call. Returns in the child, with what to call and its arguments; ends where the input is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            os._exit(0)
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _begin(link)
        link.close()


def _begin(link: socket.socket) -> tuple[str, list[str]]:
    """Become the call: a child does, and this process tells how it ended."""
    size, files, _, _ = socket.recv_fds(link, 8, 3)
    told = b""
    while len(told) < int.from_bytes(size, "big"):
        told += link.recv(1 << 20)
    call, folder, count, *rest = told.decode("utf-8", "surrogateescape").split("\0")
    running, held = os.pipe()
    if child := os.fork():
        for number in (*range(3), *files, held):  # who reads the output sees its end when the call ends
            os.close(number)
        if link in select.select([running, link], [], [])[0]:  # who called was killed
            os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        with suppress(BrokenPipeError):
            link.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    link.close()
    os.close(running)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(pair.split("=", 1) for pair in rest[int(count) :])
    return call, rest[: int(count)]


def _run(call: str, arguments: Sequence[str]) -> int:
    """As a fresh interpreter would. Returns the exit code."""
    sys.argv[:] = arguments
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    for folder in site.getsitepackages():
        site.addsitedir(folder)  # what was installed meanwhile
    importlib.invalidate_caches()
    np.random.seed()  # Python's own generator does so by itself
    module, _, function = call.partition(":")
    try:
        code = getattr(importlib.import_module(module), function)()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    return code if isinstance(code, int) else int(code is not None)


def _end(code: int) -> NoReturn:
    """What matters of an interpreter's end; to take every module apart copies the memory of the first process."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _end(_run(*_serve(sys.argv[1])))
