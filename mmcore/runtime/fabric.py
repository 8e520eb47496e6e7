"""Device, precision and processes: the only home of Lightning Fabric, which takes seconds to import."""

from typing import Literal

import torch
from lightning_fabric import Fabric

from mmcore.errors import SetupError

__all__ = ["Fabric", "launch"]

Precision = Literal["32-true", "bf16-mixed"]


def launch(*, device: str, precision: str, threads: int, deterministic: bool) -> Fabric:
    """A Fabric that is ready to set modules up.

    device: auto, cpu or cuda. precision: auto, float32 or bfloat16. threads: torch threads on a CPU.
    Raises SetupError where cuda is asked for and not there.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise SetupError(
            f"training.device is cuda, but this torch ({torch.__version__}) sees no GPU. "
            "Set training.device=auto, or run 'mm doctor' to see what is wrong."
        )
    accelerator = "cuda" if cuda and device != "cpu" else "cpu"
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic and accelerator == "cuda", warn_only=True)
    torch.backends.cudnn.benchmark = not deterministic
    fabric = Fabric(accelerator=accelerator, devices=1, precision=_precision(precision, accelerator))
    fabric.launch()
    return fabric


def _precision(asked: str, accelerator: str) -> Precision:
    """bf16 where the device computes faster in it: GPUs since Ampere, CPUs with AMX; 1.5 to 1.8 times there."""
    if asked == "float32":
        return "32-true"
    if asked == "bfloat16":
        return "bf16-mixed"
    pays = torch.cuda.is_bf16_supported() if accelerator == "cuda" else torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if pays else "32-true"
