"""When a frozen encoder's output may be computed once, and computing it."""

# B = samples, N = tokens of a sample (padded), D = width

from typing import Any

import numpy as np
import torch

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.run import Run


def why_not_cached(modality: Modality, *, frozen: bool, features: str) -> str | None:
    """Why caching would change the result or was not wanted; None where it may be done."""
    if features == "off":
        return "features is off"
    if not frozen:
        return "its encoder is trained (frozen: false)"
    if modality.augments:
        return "its modality augments while training"
    return None


def why_not_used(fusion: Fusion, field: str) -> str | None:
    """Why a fusion cannot do with finished runs of `field`; None where it can."""
    if fusion.taps[field] == "between":
        return f"the fusion {type(fusion).__name__} looks between the stages of {field!r}"
    return None


@torch.inference_mode()
def encode_batch(encoder: Encoder, field: Field) -> tuple[list[np.ndarray], dict[str, Any]]:
    """What the last stage gives for each sample of a prepared field, all present, and how it is laid out.

    Returns float32 arrays [real tokens, D], and `grid` and `causal` of the tokens.
    """
    tokens = Run("features", encoder.eval(), tokens=encoder.embed(field)).finish()
    values, mask = tokens.values.float().cpu().numpy(), tokens.mask.cpu().numpy()
    layout = {"grid": None if tokens.grid is None else list(tokens.grid), "causal": tokens.causal}
    return [row[real] for row, real in zip(values, mask, strict=True)], layout
