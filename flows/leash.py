"""`python -m flows.leash COMMAND ...`: a command that knows nothing of lifelines ends with whoever started us.

The server and the worker are Prefect's, and do not watch the pipe that flows/lifeline.py describes. So we stand
between: in one process group with the command, we watch for them. When the parent is gone the group is asked to end,
and made to after a grace; when the command ends, what it left behind is ended too.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from flows.lifeline import VARIABLE

GRACE_S = 15.0
LEFT_BEHIND_S = 8.0


def main(command: list[str]) -> int:
    """Our exit code is the command's; 128 and the signal where one ended it."""
    if os.getpgid(0) != os.getpid():
        os.setsid()  # else ending our group would end the caller's
    descriptor = os.environ.pop(VARIABLE, None)
    # Not ignored, which the command would inherit: the signal goes to the whole group, and the command decides.
    signal.signal(signal.SIGTERM, _leave_it_to_the_command)
    signal.signal(signal.SIGINT, _leave_it_to_the_command)
    process = subprocess.Popen(command)
    if descriptor is not None:
        threading.Thread(target=_watch, args=(int(descriptor),), daemon=True).start()
    code = process.wait()
    _end_group(signal.SIGTERM)
    if code >= 0:
        return code
    # Killed, it could not end what it had started: that gets the time to end by itself, and is gone when we are.
    time.sleep(LEFT_BEHIND_S)
    _end_group(signal.SIGKILL)
    return 128 - code


def _watch(descriptor: int) -> None:
    os.read(descriptor, 1)
    _end_group(signal.SIGTERM)
    killer = threading.Timer(GRACE_S, _end_group, args=(signal.SIGKILL,))
    killer.daemon = True
    killer.start()


def _end_group(number: signal.Signals) -> None:
    os.killpg(os.getpgid(0), number)


def _leave_it_to_the_command(_: int, __: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
