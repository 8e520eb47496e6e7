"""Arrays on a web server of this machine: whether a training whose steps take their time ever waits for them."""

# Run as a script it is the server, in a process of its own; it prints its port.

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from mmcore.data.dataset import Dataset
from mmcore.data.offload import offload
from mmcore.data.remote import CACHE, open_store
from timing.chunks import alone
from timing.pairs import in_turns, not_measured, row
from timing.pictures import dataset_of, delivered, files, image_modality, stored

SIDE, STEP_S = 64, 0.05
FED = 0.95
WHAT = f"steps of {1000 * STEP_S:g} ms fed with 64 pictures of {SIDE} px from a web server, beside from this disk: "
FIRST, AGAIN = f"{WHAT}first epoch", f"{WHAT}next epoch"


def remote_rows(*, quick: bool) -> list[dict[str, Any]]:
    """An epoch whose arrays lie elsewhere, none of them fetched before and then all, beside the same on this disk."""
    missing = [name for name in ("aiohttp", "diskcache", "fsspec") if find_spec(name) is None]
    if missing:
        why = f"{', '.join(missing)} not installed, pip install -c constraints.txt -e '.[remote]'"
        return [not_measured(what, goal=FED, why=why) for what in (FIRST, AGAIN)]
    torch.set_num_threads(1)
    turns = 2 if quick else 3
    with (
        files(128 if quick else 5120, SIDE) as (base, names),
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "web") as address,
        patch.dict(os.environ),
    ):
        here, modality = Path(folder), image_modality(SIDE)
        near = dataset_of(modality, stored(modality, base, names, here / "store"))
        offload(here / "store", str(here / "web"), here / "light")
        told = here / "light" / "remote.json"
        told.write_text(told.read_text(encoding="utf-8").replace(str(here / "web"), address), encoding="utf-8")

        def far(cache: str) -> None:
            os.environ[CACHE] = str(here / cache)
            epoch(dataset_of(modality, open_store(here / "light")))

        fresh = (f"cache{number}" for number in range(turns + 1))
        first = in_turns(lambda: far(next(fresh)), lambda: epoch(near), turns=turns)
        again = in_turns(lambda: far("cache0"), lambda: epoch(near), turns=turns)
    each = 1000 * 64 / len(names)
    return [row(what, *one, goal=FED, unit="ms a step", scale=each) for what, one in ((FIRST, first), (AGAIN, again))]


def epoch(dataset: Dataset) -> None:
    """What a GPU computes leaves the processor to the loader."""
    for _ in delivered(dataset):
        time.sleep(STEP_S)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server over a folder."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, env=alone(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "it was asked for"
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class Ranges(SimpleHTTPRequestHandler):
    """Files of a folder by ranges of bytes, as object stores give them; a connection serves many requests."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head and what follows it go out together

    def do_GET(self) -> None:
        """Answer `Range: bytes=FIRST-LAST`."""
        first, last = (int(end) for end in self.headers["Range"].removeprefix("bytes=").split("-"))
        with Path(self.translate_path(self.path)).open("rb") as file:
            file.seek(first)
            part = file.read(last + 1 - first)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{os.path.getsize(file.name)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Hundreds of connections are opened at once."""

    request_queue_size = 1024


def serve(folder: str) -> None:
    """Until the process is killed."""
    with Server(("127.0.0.1", 0), partial(Ranges, directory=folder)) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
