"""What `training` in params.yaml may say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from mmcore.interfaces.settings import Range
from mmcore.registry.origin import PackageSettings


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained. Everything here is part of the result, the number of threads included."""

    monitor: str
    """The metric that early stopping, search and verdict use, as `task/metric`."""
    seed: int = 0
    epochs: Annotated[int, Range(1, soft_high=100)] = 10
    batch_size: Annotated[int, Range(1, soft_high=512, log=True)] = 64
    accumulate: Annotated[int, Range(1)] = 1
    """Batches whose gradients are added before each step: those of one batch of all their rows, but for losses that tie
    samples together, which see one batch at a time (`chunk` lets them see all)."""
    alike: Annotated[int, Range(1, soft_high=64)] = 1
    """Batches whose rows are sorted by length among each other, so that less of texts and sounds is padding; 1: no."""
    chunk: Annotated[int, Range(1)] | None = None
    """Samples that are in memory at once. Losses are taken over the whole batch all the same, those that tie samples
    together too: each chunk goes through the model twice (gradient caching, 2101.06983). null: the whole batch."""
    balance: str | None = None
    """A field whose values are drawn equally often while training, whatever their share of rows; null: as they are."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    lr: Annotated[float, Range(0, soft_high=0.1, log=True)] = 1e-3
    """Learning rate at its peak, per step."""
    lr_of: Mapping[str, Annotated[float, Range(0)]] = field(default_factory=dict)
    """Factors for parts of the model by the start of their parameters' names: `encoders.image: 0.1`."""
    layer_decay: Mapping[str, Annotated[float, Range(0, 1)]] = field(default_factory=dict)
    """Factors from stage to stage of an encoder, the last having 1: `encoders.image: 0.8` (ELECTRA, 2003.10555)."""
    thaw: Mapping[str, Annotated[int, Range(1)]] = field(default_factory=dict)
    """Parts that stay as they are until this epoch: `encoders.image: 3` lets it learn from the third epoch on."""
    freeze: Mapping[str, Annotated[int, Range(1)]] = field(default_factory=dict)
    """Parts that stay as they are from this epoch on."""
    weight_decay: Annotated[float, Range(0, soft_high=1.0)] = 0.01
    """Applied to matrices and kernels, not to biases, gains, lone vectors (a class token), and what a module's own
    `no_weight_decay()` names, as those of timm do."""
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Annotated[float, Range(0, 1)] = 0.05
    """Share of all steps over which the learning rate rises from 0."""
    clip_norm: Annotated[float, Range(0)] | None = 1.0
    patience: Annotated[int, Range(1)] | None = None
    """Epochs without a better `monitor` after which training stops; null: never before the end."""
    keep: Literal["best", "last", "mean"] = "best"
    """Which epoch's weights become the model: the best by `monitor` on the validation split, the last, or the mean of
    the last `mean_of`."""
    mean_of: Annotated[int, Range(1)] = 3
    """Epochs whose weights are averaged where `keep` is mean (checkpoint averaging; 1803.05407 with a schedule)."""
    ema: Annotated[float, Range(0, 0.99999)] | None = None
    """Decay of an exponential moving average of the weights, which is what is validated and kept; null: none."""
    modulate: Annotated[float, Range(0, soft_high=1.0)] | None = None
    """Slows the encoder of the field that learns fastest, so that others are heard: alpha of OGM-GE (2203.15332)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Annotated[int, Range(1)] = 1
    """How many train together, each in a process of its own with a part of every batch."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """Of several devices: each has all weights (ddp, which auto is), or a part of them (fsdp)."""
    deterministic: bool = True
    threads: Annotated[int, Range(1)] = 1
    """Torch threads on a CPU; never taken from the machine, since 1 and 2 threads give different weights."""
    checkpoint_every_s: Annotated[float, Range(0)] = 30.0
    """Seconds between checkpoints inside an epoch; one is written after each epoch as well."""
    start_from: Literal["champion"] | None = None
    """`champion`: the weights of the model in use, as far as they fit; `python -m flows.retrain` puts it into
    artifacts/champion first. null: from nothing, or from what `pretrain` made."""
    packages: tuple[PackageSettings, ...] = ()
    """Where the fusion and the tasks come from, if from outside this repository; written by `mm compose`."""
