"""Models of timm by name: built with random weights, or with weights from the hub or from a file."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import FeatureListNet
from torch import nn

from mmcore.errors import ConfigError, SetupError, near_miss


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what timm builds."""

    name: str
    channels: int
    size: tuple[int, int]
    """Height and width in pixels."""
    stages: bool
    drop_path: float

    def __post_init__(self) -> None:
        if not timm.is_model(self.name):
            names = timm.list_models()
            raise ConfigError(
                f"timm knows no model {self.name!r}.{near_miss(self.name, names)} It knows {len(names)}: "
                "see timm.list_models()."
            )

    def build(self, **more: Any) -> nn.Module:
        """The model with random weights. Raises ConfigError where it takes no such settings."""
        options = {**self._options(), **more}
        try:
            return self._create(options)
        except (TypeError, AssertionError, ValueError) as error:
            raise ConfigError(f"the timm model {self.name!r} cannot be built with {options}: {error}.") from error

    def spared(self, network: nn.Module) -> list[nn.Parameter]:
        """What weight decay should not reach of a network that `build` gave: the uncut model says so by its names."""
        whole = network
        if isinstance(network, FeatureListNet):  # the layers alone, without the model that they are of
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                whole = timm.create_model(self.name, num_classes=0, **self._options())
        names = getattr(whole, "no_weight_decay", set)()
        patterns = [name.replace(".", "_") for name in names]  # timm joins names of two levels by _ where it cuts
        return [
            parameter
            for name, parameter in network.named_parameters()
            if any(fnmatchcase(name.replace(".", "_"), pattern) for pattern in patterns)
        ]

    def pretrained(self, weights: str) -> nn.Module:
        """The model with weights from `hub` or from a file. Raises SetupError or ConfigError where there are none."""
        if weights == "hub":
            overlay = None
        elif Path(weights).is_file():
            overlay = {"file": weights, "custom_load": False}
        else:
            raise ConfigError(f"weights must be none, hub, or a file that exists, but got {weights!r}.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            random = self.build()
            torch.manual_seed(0)
            loaded = self._load(overlay)
        _check_loaded(random, loaded, f"{self.name!r} from {weights!r}")
        return loaded

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"in_chans": self.channels}
        known = timm.get_pretrained_cfg(self.name)
        if known is not None and known.fixed_input_size:
            options["img_size"] = self.size
        if self.drop_path:
            options["drop_path_rate"] = self.drop_path
        return options

    def _load(self, overlay: dict[str, Any] | None) -> nn.Module:
        try:
            return self.build(pretrained=True, pretrained_cfg_overlay=overlay)
        except ConfigError:
            raise
        except Exception as error:  # the hub's client, urllib, safetensors and torch each raise their own
            if overlay is not None:
                raise ConfigError(
                    f"the file {overlay['file']!r} does not hold weights of the timm model {self.name!r}: {error}"
                ) from error
            raise SetupError(
                f"the weights of the timm model {self.name!r} could not be fetched: {error}\n"
                "Without a network, copy them here (model.safetensors of the model's page on the hub) and set "
                "weights: PATH of that file, or start from scratch with weights: none."
            ) from error

    def _create(self, options: dict[str, Any]) -> nn.Module:
        """As a list of layers where timm can cut the model at its features; else whole, without classifier."""
        # The second way is for the EfficientNet family, which has a class of its own that cannot be cut.
        for feature_cfg in ({}, {"feature_cfg": {"feature_cls": "list", "flatten_sequential": True}}):
            if not self.stages:
                break
            try:
                network = timm.create_model(self.name, features_only=True, **feature_cfg, **options)
            except (RuntimeError, AttributeError, AssertionError, TypeError):
                continue  # what is really wrong shows below, where the model is built whole
            if isinstance(network, FeatureListNet):
                return network
        return timm.create_model(self.name, num_classes=0, **options)


def _check_loaded(random: nn.Module, loaded: nn.Module, what: str) -> None:
    """timm only logs that weights did not fit; so whatever is still as the same seed made it was not in the file."""
    before, after = random.state_dict(), loaded.state_dict()
    matrices = [name for name, tensor in before.items() if tensor.ndim > 1 and tensor.count_nonzero()]
    missed = [name for name in matrices if torch.equal(before[name], after[name])]
    if missed:
        raise ConfigError(
            f"the weights of the timm model {what} lack {len(missed)} of {len(matrices)} parameters, such as "
            f"{missed[0]!r}. Take weights of this very model, or set weights: none."
        )
