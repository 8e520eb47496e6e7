"""The Prefect API for one run of a flow: the one that the settings name, else an embedded server that ends with us.

Prefect starts an embedded server by itself, but in our process group and with no tie to us: Ctrl-C would end it before
the flow could tell it what happened, and kill -9 of the flow would leave it behind. So we start the same server with a
session and a lifeline of its own.
"""

import atexit
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from pathlib import Path

import uvicorn
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

from flows.environment import CLONE
from flows.lifeline import VARIABLE, Lifeline
from flows.project import check_writable
from mmcore.errors import SetupError

END_S = 10.0
LOG = "embedded-{}.log"
"""In Prefect's folder: what the embedded server of a process says; several runs may be at work."""
_FAULT = re.compile(r"^[\w.]*(?:Error|Exception): .+", re.MULTILINE)

_embedded: ContextVar[Path | None] = ContextVar("embedded", default=None)
"""The log of the embedded server, where one was started."""


def ensure_api() -> None:
    """Flows that are called from here on, in this thread, find an API."""
    for worker in ("EventsWorker", "APILogWorker"):
        # They warn of items that are left when we end soon after the last one, and then send them all the same.
        logging.getLogger(worker).setLevel(logging.ERROR)
    if get_current_settings().api.url:
        return
    settings = ExitStack()
    # No heartbeats: this server ends with us, and Prefect waits half a second for the thread that sends them.
    alone = {PREFECT_API_URL: _start(), PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    settings.enter_context(temporary_settings(updates=alone))
    # Not before: Prefect sends its last logs and events while the interpreter ends, and would start a server for them.
    atexit.register(settings.close)


def no_answer(error: BaseException) -> SetupError:
    """What to tell of a server that does not answer: the one that was named is not there, our own cannot work."""
    log = _embedded.get()
    if log is None:
        return SetupError(
            f"Prefect's server at {get_current_settings().api.url} does not answer ({type(error).__name__}). Start it, "
            "or unset PREFECT_API_URL: then one is started for the run."
        )
    faults = _FAULT.findall(log.read_text(encoding="utf-8", errors="replace"))
    if not faults:
        return SetupError(
            f"Prefect's own server, which was started for the run, did not answer in time ({error!r}); it tells no "
            "fault. Call this again, once the machine is less busy."
        )
    database = log.with_name("prefect.db")
    anew = f", or, where {database} is damaged, `rm {shlex.quote(str(database))}*`: the list of runs begins anew then"
    return SetupError(
        f"Prefect's own server, which was started for the run, cannot work: {faults[-1]} (more in {log}). Free some "
        f"room on the disk{anew if database.exists() else ''}."
    )


def _start() -> str:
    """Start the embedded server. Returns its address at once: whoever connects early waits in the socket's queue.

    Raises SetupError where it could not keep its runs.
    """
    home = get_current_settings().home
    check_writable(home)
    path = home / LOG.format(os.getpid())
    _embedded.set(path)
    lifeline = Lifeline()
    with socket.create_server(("127.0.0.1", 0)) as listener, path.open("wb") as log:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(listener.fileno())],
            cwd=CLONE,
            # As Prefect marks its own embedded server: no schedules, no user interface.
            env={**os.environ, **lifeline.environment, "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_UI_ENABLED": "0"},
            pass_fds=(listener.fileno(), lifeline.descriptor),
            stdin=subprocess.DEVNULL,
            stderr=log,  # pages of tracebacks where its database cannot be used
            start_new_session=True,
        )
    atexit.register(_end, server, lifeline, path)
    return f"http://127.0.0.1:{port}/api"


def _end(server: subprocess.Popen[bytes], lifeline: Lifeline, log: Path) -> None:
    lifeline.close()
    try:
        server.wait(END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    with suppress(FileNotFoundError):
        if not _FAULT.search(log.read_text(encoding="utf-8", errors="replace")):
            log.unlink()


def serve(listener: socket.socket, *, lifeline: int) -> None:
    """The child's half: serve until the process at the other end of the lifeline is gone."""
    server = uvicorn.Server(
        uvicorn.Config(
            "prefect.server.api.server:create_app",
            factory=True,
            log_level="error",
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
    )

    def watch() -> None:
        os.read(lifeline, 1)
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), lifeline=int(os.environ[VARIABLE]))
