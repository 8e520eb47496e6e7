"""How many workers fit on this machine, and what of it each one gets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joblib import cpu_count

from mmcore.errors import ConfigError
from mmcore.search.settings import SearchSettings

DRIVER = Path("/proc/driver/nvidia/gpus")
"""One entry for each GPU; asking torch would load it."""


@dataclass(frozen=True)
class Slot:
    """A place for one worker."""

    number: int
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: float | None = None
    """The share of a GPU's memory that it may take; None: all."""


def slots_of(settings: SearchSettings, *, threads: int, device: str) -> list[Slot]:
    """threads, device: of the training. Raises ConfigError where more GPU workers are asked for than fit."""
    gpus = visible_gpus() if device != "cpu" else []
    if not gpus:
        count = settings.workers or max(1, cpu_count() // threads)
        return [Slot(number, _threads(threads)) for number in range(count)]
    each = max(1, int(1 / settings.gpu + 1e-9))
    if settings.workers is not None and settings.workers > each * len(gpus):
        raise ConfigError(
            f"workers={settings.workers}, but {len(gpus)} GPU{'s' * (len(gpus) > 1)} with gpu={settings.gpu:g} for "
            f"each worker hold {each * len(gpus)}. Ask for fewer, or a smaller share: gpu=0.25."
        )
    count = settings.workers or each * len(gpus)
    memory = None if each == 1 else settings.gpu
    # The first of every GPU before the second of any.
    return [Slot(n, {**_threads(threads), "CUDA_VISIBLE_DEVICES": gpus[n % len(gpus)]}, memory) for n in range(count)]


def visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() and name.strip() != "-1"]
    return [str(number) for number in range(len(list(DRIVER.glob("*"))))]


def _threads(count: int) -> dict[str, str]:
    """With two threads in each of two workers on two cores, a loop of small steps fell forty-fold."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(count))
