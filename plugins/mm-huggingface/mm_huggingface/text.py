"""The encoder `hf-text`: a text model of transformers that sees the whole text, layer by layer where it has layers."""

# B = samples of a batch, S = tokens of a text, N = tokens with inserted ones, D = width

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mm_huggingface.layers import Last, Layer
from mm_huggingface.lora import LoraSettings
from mm_huggingface.pretrained import Pretrained, build, leave_unused
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.positions import positions


@dataclass(frozen=True)
class Family:
    """How a text model of transformers is put together."""

    layers: str = "encoder.layer"
    """Where its layers are."""
    after: str | None = None
    """What normalises after them."""
    behind_padding: bool = False
    """Places are counted from behind the padding token's number."""
    looks_back: bool = False
    """No token sees a later one."""


FAMILIES = {
    "bert": Family(),
    "electra": Family(),
    "distilbert": Family("transformer.layer"),
    "roberta": Family(behind_padding=True),
    "xlm-roberta": Family(behind_padding=True),
    "camembert": Family(behind_padding=True),
    "clip_text_model": Family("encoder.layers", after="final_layer_norm", looks_back=True),
}


class HFText(Pretrained):
    """BERT, RoBERTa and their kin and CLIP layer by layer; others as one stage that nothing can be inserted into."""

    consumes = "text"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str | None,
        architecture: Mapping[str, Any] | None = None,
        lora: LoraSettings | None = None,
    ) -> None:
        """facts: vocabulary, max_tokens. Settings: see conf/encoder/hf-text.yaml.

        Raises ConfigError where the model cannot read this vocabulary or texts so long.
        """
        super().__init__(facts, model=model, architecture=architecture, lora=lora)
        check_vocabulary(facts["vocabulary"], self.config)
        decodes = getattr(self.config, "is_decoder", False)
        self.family = None if decodes else FAMILIES.get(self.config.model_type)
        self.elastic = self.family is not None
        self.first_place = self.config.pad_token_id + 1 if self.family and self.family.behind_padding else 0
        self._assemble()
        check_length(facts["max_tokens"], _places(self.config, self.first_place))
        self.widths = self._try_out()

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Numbers [B,S] -> vectors, with their places where the layers are stages."""
        if self.family is None:
            return Tokens.of(self.parts["embed"](field.values), field.mask)
        real = torch.ones_like(field.values, dtype=torch.bool) if field.mask is None else field.mask
        values = self.parts["embed"](field.values, position_ids=positions(real) + self.first_place)
        steps = torch.arange(1, values.shape[1] + 1, device=values.device).expand(values.shape[:2])
        looks_back = self.family.looks_back
        order = steps if looks_back else None
        return Tokens.of(self.parts["widen"](values), field.mask, order=order, causal=looks_back)

    def _narrowed(self, config: Any) -> Any:
        return getattr(config, "text_config", None) or config

    def _network(self, config: Any, model: str | None) -> nn.Module:
        from transformers import AutoModel, AutoModelForTextEncoding

        halves = type(config) in AutoModelForTextEncoding._model_mapping  # of T5 and its kin the encoder alone
        return build(AutoModelForTextEncoding if halves else AutoModel, config, model)

    def _parts(self, network: Any) -> nn.ModuleDict:
        if self.family is None:
            whole = nn.ModuleList([WholeText(network)])
            return nn.ModuleDict({"embed": network.get_input_embeddings(), "stages": whole})
        widen = getattr(network, "embeddings_project", nn.Identity())
        stages: list[Stage] = [Layer(layer) for layer in network.get_submodule(self.family.layers)]
        if self.family.after is not None:
            stages[-1] = Last(stages[-1], getattr(network, self.family.after))
        return nn.ModuleDict({"embed": network.embeddings, "widen": widen, "stages": nn.ModuleList(stages)})

    @torch.enable_grad()
    def _try_out(self) -> tuple[int, ...]:
        """The widths, found by walking one text of one token."""
        self.eval()
        try:
            tokens = self.embed(Field(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, dtype=torch.bool)))
            widths = [tokens.width]
            for stage in self.stages:
                tokens = stage(tokens)
                widths.append(tokens.width)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"no text goes through the model {self.config.model_type!r}: {error}.") from error
        leave_unused(self.stages, tokens)
        self.train()
        return tuple(widths)


class WholeText(Stage):
    """A text model from looked-up vectors to its last layer."""

    def __init__(self, network: nn.Module) -> None:
        """network: takes vectors and a mask, and counts places by itself."""
        super().__init__()
        self.network = network

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D']; who is absent is let see everything and is masked afterwards."""
        mask = None if tokens.dense else (tokens.mask | ~tokens.present.unsqueeze(1)).long()
        return tokens.with_values(self.network(inputs_embeds=tokens.values, attention_mask=mask).last_hidden_state)


def check_vocabulary(vocabulary: int, config: Any) -> None:
    """Raise ConfigError where the tokenizer has tokens that the model does not know."""
    if not hasattr(config, "vocab_size"):
        raise ConfigError(f"the model {config.model_type!r} reads no texts. Take a model of texts.")
    if vocabulary > config.vocab_size:
        raise ConfigError(
            f"the field's tokenizer has {vocabulary} tokens, the model {config.model_type!r} knows {config.vocab_size}."
            " Take the model's own tokenizer: the modality conversation with this model, or the modality text with "
            "kind: file and the model's tokenizer.json."
        )


def check_length(longest: int, places: int | None) -> None:
    """Raise ConfigError where texts may be longer than the model has places for."""
    if places is not None and longest > places:
        raise ConfigError(
            f"texts may have {longest} tokens, but the model has places for {places}. Lower the modality's max_tokens."
        )


def _places(config: Any, first: int) -> int | None:
    limit = getattr(config, "max_position_embeddings", None)
    return limit - first if isinstance(limit, int) and limit > 0 else None
