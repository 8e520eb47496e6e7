"""Sounds made worse on purpose, to see how far a model can be trusted with bad ones."""

# B = samples of a batch, T = samples of a wave

import torch
from torch import Tensor

KINDS = ("noise", "hole")
BEST_SNR_DB, WORST_SNR_DB = 30.0, -10.0


def damaged(wave: Tensor, mask: Tensor, kind: str, *, strength: float, generator: torch.Generator) -> Tensor:
    """Waves [B,T] from -1 to 1 and the mask of their real samples -> the same made worse. strength: above 0, up to 1.

    noise: white, from 30 dB below the sound (at nearly 0) to 10 dB above it. hole: a stretch of silence, up to all.
    """
    if kind == "noise":
        snr_db = BEST_SNR_DB + strength * (WORST_SNR_DB - BEST_SNR_DB)
        power = (wave * mask).square().sum(1) / mask.sum(1).clamp_min(1)
        noise = (
            torch.randn(wave.shape, generator=generator).to(wave.device)
            * (power * 10 ** (-snr_db / 10)).sqrt()[:, None]
        )
        found = (wave + noise) * mask
        return found / found.abs().amax(1, keepdim=True).clamp_min(1)
    assert kind == "hole", f"there is no damage {kind!r}"
    length = mask.sum(1)
    wide = (strength * length).ceil()
    start = (torch.rand(len(wave), generator=generator).to(wave.device) * (length - wide + 1)).floor()
    place = torch.arange(wave.shape[1], device=wave.device)
    return torch.where((place >= start[:, None]) & (place < (start + wide)[:, None]), 0, wave)
