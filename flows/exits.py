"""How a command of ours ends: 0 done, 2 what the user can mend, 130 and 143 when asked to, 1 otherwise."""

import signal
import sys
from collections.abc import Callable, Iterable

from flows.outcome import Outcome, Status
from flows.signals import exit_on_sigterm
from mmcore.errors import MmcoreError, denied

DONE, FAULT, MENDABLE = 0, 1, 2
WRONG = 3  # of `mm smoke` alone: the model is at fault


class CommandFailed(MmcoreError):
    """A command of ours crashed or was killed, which its user did not cause: exit code 1."""


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """For the user to mend only where all that failed says so."""
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    if not failed:
        return DONE
    return MENDABLE if all(outcome.mendable for outcome in failed) else FAULT


def run_to_exit(main: Callable[[], int]) -> int:
    """The exit code of `main`; what it raises for the user is told in one message, without a traceback."""
    exit_on_sigterm()
    try:
        return main()
    except MmcoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAULT if isinstance(error, CommandFailed) or isinstance(error.__cause__, CommandFailed) else MENDABLE
    except OSError as error:
        if (told := denied(error)) is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return MENDABLE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
