"""Stores whose shards lie elsewhere: behind a web server on this machine."""

import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import mmcore.data.remote
from mmcore.data.offload import offload
from mmcore.data.remote import CACHE, open_store
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter

ROWS = 40
PICTURES = [np.full((4, 5, 3), number, dtype=np.uint8) for number in range(ROWS)]


class Ranges(SimpleHTTPRequestHandler):
    """Files of a folder by ranges of bytes, as S3 gives them; `server.faults` are answered first.

    `server.whole`: ranges are overlooked, as simple servers do. `server.page`: what is answered in place of a file.
    """

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.faults:
            fault = self.server.faults.pop(0)
            time.sleep(fault if isinstance(fault, float) else 0)
            if isinstance(fault, int):
                self.send_error(fault)
                return
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        data = self.server.page or path.read_bytes()
        if self.server.whole or self.server.page:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server on this machine over the folder tmp_path/web."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(folder)))
    server.daemon_threads, server.faults, server.asked, server.folder = True, [], [], folder
    server.whole, server.page = False, b""
    server.address = f"http://127.0.0.1:{server.server_port}/shards"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """What is fetched is kept in the test's own folder; what failed is tried again at once."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(mmcore.data.remote, "PAUSE_S", 0.01)


def written(folder, arrays, *, missing=()):
    """A store of several shards; rows share arrays with the row 20 before."""
    writer = StoreWriter(folder, shard_bytes=sum(array.nbytes for array in arrays) // 10)
    slots = np.array([writer.add(array) for array in arrays[: ROWS // 2]] * 2)
    slots[list(missing)] = -1
    writer.finish(slots)
    return Store(folder)


def afar(web, tmp_path, arrays, **options):
    """The store on this disk, and the same one with its shards behind the web server."""
    here = written(tmp_path / "store", arrays, **options)
    offload(here.folder, str(web.folder / "shards"), tmp_path / "light")
    light = tmp_path / "light" / "remote.json"
    light.write_text(light.read_text().replace(str(web.folder / "shards"), web.address))
    return here, open_store(tmp_path / "light")
