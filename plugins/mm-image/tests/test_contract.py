"""The image modality and its encoders keep the promises of mmcore.interfaces."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmcore.interfaces.field import Field
from mmcore.testing.encoder import EncoderContract
from mmcore.testing.modality import ModalityContract


def write_picture(path: Path, *, seed: int, size: tuple[int, int] = (20, 16), mode: str = "RGB") -> str:
    """A picture of noise; its name."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    Image.fromarray(noise, "RGBA").convert(mode).save(path)
    return path.name


def pictures(samples: int, generator: torch.Generator, size_px: int) -> Field:
    values = torch.randn(samples, 3, size_px, size_px, generator=generator)
    return Field(values, torch.ones(samples, dtype=torch.bool))


class TestImage(ModalityContract):
    name = "image"
    settings = {"size_px": 12, "standardise": "fit", "flip_horizontal": 0.5, "shift_px": 2}

    def cells(self, folder: Path):
        modes = ["RGB", "RGBA", "L", "P", "LA", "1", "RGB"]
        return [write_picture(folder / f"{n}.png", seed=n, mode=mode) for n, mode in enumerate(modes)]

    def broken(self, folder: Path):
        write_picture(folder / "whole.png", seed=0)
        (folder / "truncated.png").write_bytes((folder / "whole.png").read_bytes()[:-200])
        (folder / "empty.png").write_bytes(b"")
        (folder / "text.png").write_text("this is no picture")
        return ["truncated.png", "empty.png", "text.png", "missing.png", 7]


class TestImageTurned(TestImage):
    settings = {"size_px": 12, "rotation_deg": 20, "flip_vertical": 0.5, "shift_px": 2, "resize": "pad"}


class TestCNN(EncoderContract):
    name = "cnn"
    facts = {"channels": 3, "height": 16, "width": 16}
    settings = {"stem_width": 4, "stem_kernel": 3, "stem_stride": 2, "widths": [4, 8], "strides": [1, 2], "groups": 2}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return pictures(samples, generator, 16)


class TestTimmStages(EncoderContract):
    """A convolutional network without batch norm, stage by stage."""

    name = "timm"
    facts = {"channels": 3, "height": 64, "width": 64}
    settings = {"model": "test_convnext", "output": "global"}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return pictures(samples, generator, 64)


class TestTimmBatchNorm(TestTimmStages):
    settings = {"model": "test_efficientnet", "output": "tokens"}


class TestTimmChannelsLast(TestTimmStages):
    settings = {"model": "test_mambaout", "output": "tokens"}


class TestTimmWhole(TestTimmStages):
    settings = {"model": "test_convnext", "stages": False, "output": "global"}


class TestTimmTransformer(TestTimmStages):
    facts = {"channels": 3, "height": 32, "width": 32}
    settings = {"model": "test_vit"}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return pictures(samples, generator, 32)
