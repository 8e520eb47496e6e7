"""What the encoders share: an architecture by name, weights by name, adapters, and what a saved model keeps of it."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mm_huggingface.conversation.disk import folder_of, quiet
from mm_huggingface.lora import LoraSettings, add_adapters
from mmcore.errors import ConfigError, listing
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.tokens import Tokens

FORGOTTEN = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
"""Keys of a config.json that say where a model came from, not what it is."""


class Pretrained(Encoder):
    """A model of transformers, taken apart into what embeds, stages, and what reads out.

    Its architecture is that of `model`, or `architecture` where that is given, as it is in a saved model. A subclass
    calls `_assemble` in its constructor and gives `_network` and `_parts`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str | None,
        architecture: Mapping[str, Any] | None,
        lora: LoraSettings | None,
    ) -> None:
        """model: a folder or a name on the hub; None: random weights. Raises ConfigError or SetupError."""
        super().__init__(facts)
        self.model = model
        self.lora = lora
        self.config = self._narrowed(read_config(model, architecture))

    def _assemble(self) -> None:
        """Make the parts, with random weights."""
        with quiet():
            parts = self._parts(self._network(self.config, None))
            if self.lora is not None:
                parts.requires_grad_(False)
                add_adapters(parts["stages"], self.lora)
        self.stages = parts.pop("stages")
        self.parts = parts

    def warm_start(self) -> None:
        """Take over the weights of `model`, if one is named; adapters stay as they are.

        Raises SetupError where it is not on this machine, ConfigError where its weights are others.
        """
        if self.model is None:
            return
        with quiet(), torch.random.fork_rng(devices=[]):
            given = self._parts(self._network(self.config, self.model)).state_dict()
        own = {**self.parts.state_dict(), **self.stages.state_dict(prefix="stages.")}
        with torch.no_grad():
            for name, tensor in own.items():
                if ".lora_" not in name:
                    tensor.copy_(given[name.replace(".base_layer.", ".")])

    def rebuilt_with(self) -> Mapping[str, Any]:
        """The architecture."""
        return {"architecture": plain_config(self.config)}

    def _narrowed(self, config: Any) -> Any:
        """The part of a configuration that this encoder is about."""
        return config

    @abstractmethod
    def _network(self, config: Any, model: str | None) -> nn.Module:
        """The network, with the weights of `model` or random ones."""

    @abstractmethod
    def _parts(self, network: nn.Module) -> nn.ModuleDict:
        """`stages` and the rest; what is not used is left out."""


def read_config(model: str | None, architecture: Mapping[str, Any] | None) -> Any:
    """A configuration of transformers from what is given. Raises ConfigError or SetupError where it cannot be had."""
    from transformers import CONFIG_MAPPING, AutoConfig

    if architecture is None and model is None:
        raise ConfigError("neither model nor architecture is given: name a model, or say what to build.")
    if architecture is None:
        assert model is not None, "one of the two is given"
        folder = folder_of(model)
        try:
            with quiet():
                return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"the model {model!r} has no config.json that this version of transformers understands: {error}"
            ) from error
    kind = architecture.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise ConfigError(
            f"architecture.model_type is {kind!r}. It must be one that transformers knows, such as llama, qwen2, bert, "
            "clip_vision_model, siglip_vision_model."
        )
    try:
        with quiet():
            return CONFIG_MAPPING[kind](**{key: value for key, value in architecture.items() if key != "model_type"})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"architecture cannot be built as {kind!r}: {error}") from error
    except Exception as error:  # transformers checks fields with an error class of the hub's client
        raise ConfigError(f"architecture cannot be built as {kind!r}: {error}") from error


def plain_config(config: Any) -> dict[str, Any]:
    """A configuration as plain values, without where it came from."""
    with quiet():
        found: dict[str, Any] = json.loads(config.to_json_string(use_diff=True))
    return {"model_type": config.model_type, **{key: found[key] for key in sorted(found) if key not in FORGOTTEN}}


def build(maker: Any, config: Any, model: str | None) -> nn.Module:
    """A network by one of transformers' Auto classes, float32: with random weights, or those of `model`.

    Raises ConfigError where the architecture is none that the class can make, or weights are missing.
    """
    try:
        if model is None:
            network: nn.Module = maker.from_config(config, dtype=torch.float32, trust_remote_code=False)
            return _readied(network)
    except (ValueError, KeyError, ImportError) as error:
        raise ConfigError(f"transformers cannot make a {config.model_type!r} of this kind: {error}") from error
    folder = folder_of(model)
    blank = maker._model_mapping[type(config)]
    made = blank[0] if isinstance(blank, tuple) else blank
    try:
        network, report = made.from_pretrained(
            str(folder), config=config, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"the weights of {model!r} cannot be read as {made.__name__}: {error}") from error
    needed = [name for name in report["missing_keys"] if "pooler" not in name]
    if needed:
        raise ConfigError(
            f"the weights of {model!r} lack {listing(needed[:3])} ({len(needed)} in all) of {made.__name__}. Take "
            "weights of this very architecture."
        )
    return _readied(network)


def leave_unused(stages: nn.Module, tokens: Tokens) -> None:
    """Parameters of black boxes that these tokens do not come from (pooling) are not trained."""
    trained = [parameter for parameter in stages.parameters() if parameter.requires_grad]
    if trained:
        found = torch.autograd.grad(tokens.values.sum(), trained, allow_unused=True)
        for parameter, gradient in zip(trained, found, strict=True):
            parameter.requires_grad_(gradient is not None)


def _readied(network: nn.Module) -> nn.Module:
    """What a fusion took between two stages must not change behind its back."""
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False
    return network
