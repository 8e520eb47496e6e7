"""Which GPUs the stages of one run share; asked of the driver, for flows load no torch."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"
ANSWER_S = 20.0


def visible_gpus() -> list[str]:
    """Their numbers or names as CUDA_VISIBLE_DEVICES has them; none where there is no driver."""
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=ANSWER_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [] if answer.returncode else [line.strip() for line in answer.stdout.splitlines() if line.strip()]


class Gpus:
    """Hands out GPUs; whoever asks knows that so many are free."""

    def __init__(self, names: Sequence[str]) -> None:
        self._free = list(names)
        self._taken: dict[str, list[str]] = {}

    def take(self, stage: str, count: int) -> Mapping[str, str]:
        """The variable that shows a stage its own GPUs alone; nothing where it asked for none or there are none."""
        if not count or not (self._free or self._taken):
            return {}
        self._taken[stage], self._free = self._free[:count], self._free[count:]
        return {VISIBLE: ",".join(self._taken[stage])}

    def give_back(self, stage: str) -> None:
        self._free = sorted([*self._free, *self._taken.pop(stage, [])])
