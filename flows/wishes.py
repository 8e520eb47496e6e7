"""What a stage asks for under `meta` in dvc.yaml: GPUs, to be alone with others of a name, more tries, a time limit.

    train:
      cmd: mm stage train
      meta: {gpu: 1, mutex: licence, retries: 2, retry_delay_s: 30, timeout_s: 7200}

DVC keeps `meta` and gives it no meaning: `dvc repro` runs the same stage without any of it, and changing it makes no
stage run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.errors import SetupError

LONGEST_DELAY_S = 600.0


@dataclass(frozen=True)
class Wishes:
    """Of one stage. All that is not said is nothing special."""

    gpu: int = 0  # of those in the machine, for itself alone; nothing is held back where the machine has none
    mutex: tuple[str, ...] = ()  # stages that share a name never run at the same time
    retries: int = 0  # more tries after a failure that is not the user's to mend
    retry_delay_s: float = 10.0  # before the first of them; twice as long before each next
    timeout_s: float | None = None  # of a command, which is then ended with all it started

    def delay_s(self, tries: int) -> float:
        """How long to wait after so many tries, at least 1."""
        return float(min(LONGEST_DELAY_S, self.retry_delay_s * 2 ** (tries - 1)))


def read_wishes(stage: str, meta: Any) -> Wishes:
    """Keys of other programs are left alone. Raises SetupError that names the stage and the key at fault."""
    if not isinstance(meta, Mapping):
        return Wishes()
    mutex = meta.get("mutex", ())
    names = (mutex,) if isinstance(mutex, str) else mutex
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise SetupError(f"meta.mutex of stage {stage} in dvc.yaml is {mutex!r}. It takes a name or a list of names.")
    timeout_s = meta.get("timeout_s")
    return Wishes(
        gpu=_whole(stage, meta, "gpu"),
        mutex=tuple(names),
        retries=_whole(stage, meta, "retries"),
        retry_delay_s=_seconds(stage, "retry_delay_s", meta.get("retry_delay_s", Wishes.retry_delay_s)),
        timeout_s=None if timeout_s is None else _seconds(stage, "timeout_s", timeout_s),
    )


def _whole(stage: str, meta: Mapping[str, Any], key: str) -> int:
    value = meta.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SetupError(f"meta.{key} of stage {stage} in dvc.yaml is {value!r}. It takes a number, 0 or more.")
    return value


def _seconds(stage: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise SetupError(f"meta.{key} of stage {stage} in dvc.yaml is {value!r}. It takes seconds, more than 0.")
    return float(value)
