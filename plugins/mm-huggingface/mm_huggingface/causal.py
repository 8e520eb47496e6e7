"""The encoder `hf-causal`: a language model of transformers that writes, layer by layer where it is like Llama."""

# B = samples of a batch, S = tokens of a text, N = tokens with those in front, D = width, V = vocabulary

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mm_huggingface.layers import Last, Layer, places_of, sight
from mm_huggingface.lora import LoraSettings
from mm_huggingface.pretrained import Pretrained, build
from mm_huggingface.text import check_length, check_vocabulary
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens

LAYERED = ("llama", "mistral", "qwen2", "qwen3")
"""Kinds whose layers are stages."""
STEADY = ("default", "linear", "llama3", "yarn")
"""Rotary positions that do not change with the length of the text."""
BENDING = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Settings of kinds that do more to their logits than one matrix."""


class HFCausal(Pretrained):
    """Llama, Mistral, Qwen2 and Qwen3 layer by layer; others (GPT-2, OPT) as one stage; all with their own head."""

    consumes = "text"
    elastic = True
    causal = True

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str | None,
        architecture: Mapping[str, Any] | None = None,
        lora: LoraSettings | None = None,
    ) -> None:
        """facts: vocabulary, max_tokens. Settings: see conf/encoder/hf-causal.yaml.

        Raises ConfigError where the model cannot read this vocabulary, or cannot write token by token.
        """
        super().__init__(facts, model=model, architecture=architecture, lora=lora)
        self.vocabulary = facts["vocabulary"]
        check_vocabulary(self.vocabulary, self.config)
        self.layered = self.config.model_type in LAYERED
        _check_attention(self.config)
        self._assemble()
        if not self.layered:
            check_length(facts["max_tokens"], self.stages[0].places)
        self.widths = (self.parts["embed"].embedding_dim, *(self.config.hidden_size for _ in self.stages))

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Numbers [B,S] -> vectors; order rises from `start` on."""
        values = self.parts["embed"](field.values)
        steps = torch.arange(1, values.shape[1] + 1, device=values.device)
        before = start.unsqueeze(1) if isinstance(start, Tensor) else start
        return Tokens.of(values, field.mask, order=(steps + before).expand(values.shape[:2]), causal=True)

    def readout(self, tokens: Tokens) -> Tensor:
        """Logits [B,N,V] of the tokens that the tokenizer has; models keep room for more."""
        logits: Tensor = self.parts["head"](tokens.values)
        return logits[..., : self.vocabulary]

    def _narrowed(self, config: Any) -> Any:
        return getattr(config, "text_config", None) or config

    def _network(self, config: Any, model: str | None) -> nn.Module:
        from transformers import AutoModelForCausalLM

        return build(AutoModelForCausalLM, config, model)

    def _parts(self, network: Any) -> nn.ModuleDict:
        body = network.base_model
        parts = {"embed": network.get_input_embeddings(), "head": network.get_output_embeddings()}
        if not self.layered:
            return nn.ModuleDict({**parts, "stages": nn.ModuleList([WholeCausal(body, network.config)])})
        stages: list[Stage] = [Layer(layer, causal=True, rotary=body.rotary_emb) for layer in body.layers]
        stages[-1] = Last(stages[-1], body.norm)
        return nn.ModuleDict({**parts, "stages": nn.ModuleList(stages)})


class WholeCausal(Stage):
    """A language model from looked-up vectors to its last layer."""

    def __init__(self, network: nn.Module, config: Any) -> None:
        """network: takes vectors, places, a mask of who sees whom, and what it keeps for later tokens.

        Raises ConfigError where it does not.
        """
        super().__init__()
        self.network = network
        self.places: int | None = getattr(config, "max_position_embeddings", None)
        wanted = {"inputs_embeds", "attention_mask", "position_ids", "past_key_values"}
        lacking = wanted - set(inspect.signature(network.forward).parameters)
        if lacking:
            raise ConfigError(
                f"the model {config.model_type!r} cannot write here: it takes no {', '.join(sorted(lacking))}. Take a "
                f"model of the kinds {', '.join(LAYERED)}, gpt2 or opt."
            )

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D']; the cache holds keys and values of each layer, mask and order of the tokens before."""
        from transformers import DynamicCache

        places = places_of(tokens, cache)
        allowed = sight(tokens, cache)
        if allowed is None:
            allowed = torch.ones(1, 1, tokens.length, tokens.length, dtype=torch.bool, device=tokens.mask.device)
            allowed = allowed.expand(len(tokens.mask), -1, -1, -1)
        check_length(allowed.shape[-1], self.places)
        past = None if cache is None else DynamicCache()
        for number, (keys, values) in enumerate(_layers_in(cache or {})):
            past.update(keys, values, number)  # type: ignore[union-attr]
        bias = torch.zeros(allowed.shape, dtype=tokens.values.dtype, device=tokens.values.device)
        bias = bias.masked_fill(~allowed, torch.finfo(bias.dtype).min)
        found = self.network(
            inputs_embeds=tokens.values,
            attention_mask=bias,
            position_ids=places,
            past_key_values=past,
            use_cache=cache is not None,
        ).last_hidden_state
        if cache is not None and past is not None:
            for number, layer in enumerate(past.layers):
                cache[f"keys.{number}"], cache[f"values.{number}"] = layer.keys, layer.values
        return tokens.with_values(found)


def _layers_in(cache: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer, in order."""
    count = sum(name.startswith("keys.") for name in cache)
    return [(cache[f"keys.{number}"], cache[f"values.{number}"]) for number in range(count)]


def _check_attention(config: Any) -> None:
    """Raise ConfigError for models that look or speak in ways that the stages cannot follow."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(config, "sliding_window", None) is not None and "full_attention" in kinds:
        kinds.add(f"a window of {config.sliding_window} tokens")
    rotary = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    faults = [*sorted(kinds - {"full_attention"}), *([] if rotary in STEADY else [f"{rotary} rotary positions"])]
    faults += [name for name in BENDING if getattr(config, name, None) not in (None, 1.0)]
    if faults:
        raise ConfigError(
            f"the model {config.model_type!r} has {', '.join(faults)}, which is not supported. Take one whose layers "
            f"all see the whole text: of the kinds {', '.join(LAYERED)}, gpt2 or opt."
        )
