"""open_clip's model and loss, trained as its own trainer does, on the batch of a dual encoder of ours."""

import sys
from collections.abc import Callable
from importlib.util import find_spec

import torch

from timing.elsewhere import BESIDE, lacks
from timing.gpu_models import LETTERS, Case

SIZES = {
    "B/16": {"layers": 12, "width": 768, "head_width": 64, "patch_size": 16, "image_size": 224},
    "tiny": {"layers": 2, "width": 192, "head_width": 64, "patch_size": 16, "image_size": 32},
}
TEXT = {"B/16": {"width": 512, "heads": 8, "layers": 12}, "tiny": {"width": 32, "heads": 2, "layers": 1}}
MOST = 4.6052
"""ln 100, of the learned scale."""


def why_not() -> str | None:
    """Why there is nothing to compare with; None where there is."""
    if find_spec("open_clip") is not None:
        return None
    return lacks("open_clip")


def their_step(case: Case, *, tiny: bool) -> Callable[[], None]:
    """A whole training step: compiled as a whole, bf16 by autocast, fused AdamW.

    Attention in both goes through torch's scaled_dot_product_attention, and sees the whole text. Pictures come
    standardised, where ours are standardised in the step.
    """
    if find_spec("open_clip") is None:
        sys.path.append(str(BESIDE))
    from open_clip.loss import ClipLoss
    from open_clip.model import CLIP

    size, device = "tiny" if tiny else "B/16", case.batch.row.device
    ids = case.batch.fields["text"].values
    words = {**TEXT[size], "context_length": ids.shape[1], "vocab_size": 64, "no_causal_mask": True}
    model = CLIP(embed_dim=512, vision_cfg=SIZES[size], text_cfg=words, output_dict=True).to(device).train()
    walk, judge = torch.compile(model, disable=device.type != "cuda"), ClipLoss(cache_labels=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    pixels = case.batch.fields["image"].values.float() / 127.5 - 1
    assert int(ids.max()) < 64, f"{len(LETTERS)} letters and a few signs"

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = judge(**walk(pixels, ids))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            model.logit_scale.clamp_(0, MOST)

    return step
