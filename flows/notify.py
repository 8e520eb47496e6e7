"""Telling people: a webhook that gets JSON, a command that gets it on stdin, as conf/schedule.yaml names them."""

import http.client
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.timetable import Notify

WEBHOOK = "MM_NOTIFY_WEBHOOK"  # for an address that is a secret, and does not belong into a file that is committed
ANSWER_S = 20.0
COMMAND_S = 60.0


@dataclass(frozen=True)
class News:
    """One thing to tell; `text` is the whole of it in words, which chat programs show."""

    kind: str  # one of flows.timetable.KINDS
    text: str
    run: str = ""
    page: str = ""  # of the run, in Prefect's pages


def tell(news: News, notify: Notify, *, root: Path, but: Collection[str] = ()) -> dict[str, list[str]]:
    """Send it wherever it is wanted. Returns what went wrong, by channel; nothing where it has the news now.

    but: channels that had it before, of `webhook` and `command`.
    """
    if news.kind not in notify.about:
        return {}
    body = json.dumps({**asdict(news), "project": root.name}, ensure_ascii=False)
    webhook, tried = os.environ.get(WEBHOOK) or notify.webhook, dict[str, list[str]]()
    if webhook and "webhook" not in but:
        tried["webhook"] = _post(webhook, body)
    if notify.command and "command" not in but:
        tried["command"] = _run(notify.command, body, root)
    return tried


def _post(url: str, body: str) -> list[str]:
    # The address is not repeated in messages: whoever has it can write to the channel.
    try:
        request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=ANSWER_S):
            return []
    except (ValueError, http.client.InvalidURL):
        return ["The webhook's address is none."]
    except http.client.HTTPException as error:  # its words may be those of the address
        return [f"The webhook did not take it: its answer was none of HTTP ({type(error).__name__})."]
    except (urllib.error.URLError, OSError) as error:
        return [f"The webhook did not take it: {error}"]


def _run(command: str, body: str, root: Path) -> list[str]:
    try:
        process = subprocess.Popen(
            command, shell=True, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        with process:
            try:
                output, errors = process.communicate(body, timeout=COMMAND_S)
            except BaseException:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # the shell, and what it started
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"The command of notify did not end well: {error}"]
    said = (errors or output).strip()
    return [f"The command of notify ended with exit code {process.returncode}: {said}"] if process.returncode else []
