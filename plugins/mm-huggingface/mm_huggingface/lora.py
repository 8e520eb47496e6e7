"""Low-rank adapters by peft: the pretrained weights stay as they are, small matrices beside them learn."""

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from mmcore.errors import ConfigError, listing
from mmcore.interfaces.settings import Range


@dataclass(frozen=True)
class LoraSettings:
    """What LoRA (Hu et al., 2106.09685) adds: W x + alpha / rank * B A x."""

    rank: Annotated[int, Range(1, soft_high=256, log=True)] = 16
    """Rows of A and columns of B."""
    alpha: Annotated[float, Range(0)] = 32.0
    dropout: Annotated[float, Range(0, 0.9)] = 0.05
    """Share of the numbers dropped before A while training."""
    targets: tuple[str, ...] = ()
    """Ends of the names of the matrices that get adapters (q_proj, v_proj); empty: every one in the layers."""


def add_adapters(stages: nn.Module, settings: LoraSettings) -> None:
    """Put adapters beside matrices of the stages, which learn no more. Raises ConfigError where none is called so."""
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    matrices = [(name, part) for name, part in stages.named_modules() if isinstance(part, nn.Linear | Conv1D)]
    names = {name.rsplit(".", 1)[-1] for name, _ in matrices}
    unknown = set(settings.targets) - names
    if unknown:
        raise ConfigError(
            f"lora.targets names {listing(unknown)}, but no matrix of the layers is called so. There are: "
            f"{listing(names)}."
        )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=sorted(settings.targets or names),
        fan_in_fan_out=any(isinstance(part, Conv1D) for _, part in matrices),
    )
    inject_adapter_in_model(config, stages)
