"""The encoders keep the promises of mmcore.interfaces, a small architecture of each family a class, and compute what
transformers itself computes.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from mmcore.interfaces.field import Field
from mmcore.registry.settings import Part
from mmcore.testing.encoder import EncoderContract
from mmcore.testing.reach import shake
from mmcore.testing.walk import walk

VOCABULARY = 24

BERT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 12, "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 0,
}  # fmt: skip
LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 12, "max_position_embeddings": 64,
}  # fmt: skip
VIT: dict[str, Any] = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
    "image_size": 8, "patch_size": 4,
}  # fmt: skip

TEXT = {
    "bert": {"model_type": "bert", **BERT},
    "roberta": {"model_type": "roberta", **BERT, "pad_token_id": 1},
    "electra": {"model_type": "electra", **BERT, "embedding_size": 4},
    "distilbert": {
        "model_type": "distilbert", "vocab_size": VOCABULARY, "dim": 8, "hidden_dim": 12, "n_layers": 2, "n_heads": 2,
        "max_position_embeddings": 32, "dropout": 0.0, "attention_dropout": 0.0,
    },
    "clip": {
        "model_type": "clip_text_model", "vocab_size": VOCABULARY, "hidden_size": 8, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 32, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 0,
    },
}  # fmt: skip
WHOLE_TEXT = {
    "t5": {
        "model_type": "t5", "vocab_size": VOCABULARY, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2,
        "num_heads": 2, "dropout_rate": 0.0,
    },
    "albert": {"model_type": "albert", **BERT, "embedding_size": 4},
}  # fmt: skip
VISION = {
    "clip": {"model_type": "clip_vision_model", **VIT, "projection_dim": 4},
    "siglip": {"model_type": "siglip_vision_model", **VIT},
    "vit": {"model_type": "vit", **VIT, "hidden_dropout_prob": 0.0},
    "dinov2": {"model_type": "dinov2", **VIT, "mlp_ratio": 2},
}
WHOLE_VISION = {
    "resnet": {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]},
    "convnext": {"model_type": "convnext", "hidden_sizes": [4, 8], "depths": [1, 1], "num_stages": 2, "patch_size": 4},
}
CAUSAL = {
    "llama": {"model_type": "llama", **LLAMA},
    "llama-tied": {"model_type": "llama", **LLAMA, "tie_word_embeddings": True, "pad_token_id": 0},
    "qwen2": {"model_type": "qwen2", **LLAMA},
    "qwen3": {"model_type": "qwen3", **LLAMA, "head_dim": 4},
    "mistral": {"model_type": "mistral", **LLAMA, "sliding_window": None},
}
WHOLE_CAUSAL = {
    "gpt2": {
        "model_type": "gpt2", "vocab_size": VOCABULARY, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 64,
        "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0,
    },
    "opt": {
        "model_type": "opt", "vocab_size": VOCABULARY, "hidden_size": 8, "word_embed_proj_dim": 8,
        "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 12,
        "max_position_embeddings": 64, "dropout": 0.0, "pad_token_id": 0,
    },
}  # fmt: skip

FACTS = {"vocabulary": VOCABULARY, "pad": 0, "bos": 1, "eos": 2, "unknown": 3, "max_tokens": 16}


def texts(samples: int, generator: torch.Generator) -> Field:
    """Texts of 3 to 8 tokens, the first of 8."""
    lengths = torch.randint(3, 9, (samples,), generator=generator)
    lengths[0] = 8
    values = torch.randint(4, VOCABULARY, (samples, 8), generator=generator)
    mask = torch.arange(8) < lengths.unsqueeze(1)
    return Field(values.where(mask, torch.tensor(0)), torch.ones(samples, dtype=torch.bool), mask)


class Pretrained(EncoderContract):
    """Beside the contract: weights come from a folder, and the numbers are those of transformers."""

    kept = slice(None)
    """Which tokens of transformers' are given."""

    def saved(self, folder: Path) -> torch.nn.Module:
        """The network of transformers with random weights, which are in the folder."""
        raise NotImplementedError

    def expected(self, network: Any, field: Field) -> Tensor:
        """What transformers makes of the field [B,N,D], or the logits."""
        return network(**self.inputs(field)).last_hidden_state

    def inputs(self, field: Field) -> dict[str, Tensor]:
        return {"input_ids": field.values, "attention_mask": field.mask.long()}

    def warm(self, folder: Path):
        """The encoder with the folder's weights."""
        settings = {**self.settings, "model": str(folder), "architecture": None}
        torch.manual_seed(1)
        encoder = self.plugins().encoder.build(Part(self.name, settings), self.facts, where="encoder")
        encoder.warm_start()
        return encoder

    @torch.no_grad()
    def test_it_computes_what_transformers_computes(self, tmp_path: Path) -> None:
        network, field = self.saved(tmp_path).eval(), self.make()
        encoder = self.warm(tmp_path).eval()
        tokens = walk(encoder, field)
        found = encoder.readout(tokens)
        self.assert_close(
            self.expected(network, field)[:, self.kept][tokens.mask],
            (tokens.values if found is None else found)[tokens.mask],
            "transformers gives something else",
        )

    def test_a_saved_model_is_rebuilt_without_the_folder(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        encoder = self.warm(tmp_path)
        settings = {
            **self.settings,
            "model": "long/gone",
            **yaml.safe_load(yaml.safe_dump(dict(encoder.rebuilt_with()))),
        }

        rebuilt = self.plugins().encoder.build(Part(self.name, settings), self.facts, where="encoder")
        rebuilt.load_state_dict(encoder.state_dict())

        for one, other in zip(self.exercise(encoder.eval()), self.exercise(rebuilt.eval()), strict=True):
            assert torch.equal(one, other)
        assert rebuilt.rebuilt_with() == encoder.rebuilt_with()


def save(network: Any, folder: Path) -> Any:
    """With every number moved, so that none is as another seed would make it."""
    shake(network, size=0.2)
    network.save_pretrained(folder)
    return network


def config_of(settings: dict[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[settings["architecture"]["model_type"]](**settings["architecture"])


class OfTexts(Pretrained):
    name = "hf-text"
    facts = FACTS

    def saved(self, folder: Path):
        from transformers import AutoModel, AutoModelForTextEncoding

        config = config_of(self.settings)
        maker = AutoModelForTextEncoding if config.is_encoder_decoder else AutoModel
        return save(maker.from_config(config), folder)

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return texts(samples, generator)


class OfPictures(Pretrained):
    name = "hf-vision"
    facts = {"channels": 3, "height": 8, "width": 8}

    def saved(self, folder: Path):
        from transformers import AutoModel

        return save(AutoModel.from_config(config_of(self.settings)), folder)

    def expected(self, network: Any, field: Field) -> Tensor:
        larger = {"interpolate_pos_encoding": True} if self.facts["height"] == 12 else {}
        more = {"output_hidden_states": True} if "drop_layers" in self.settings else {}
        found = network(pixel_values=field.values, **larger, **more)
        values = found.hidden_states[-1 - self.settings["drop_layers"]] if more else found.last_hidden_state
        return values.flatten(2).movedim(1, -1) if values.ndim == 4 else values

    def field(self, samples: int, generator: torch.Generator) -> Field:
        values = torch.randn(samples, 3, self.facts["height"], self.facts["width"], generator=generator)
        return Field(values, torch.ones(samples, dtype=torch.bool))


class TestBert(OfTexts):
    settings = {"model": None, "architecture": TEXT["bert"]}


class TestRoberta(TestBert):
    settings = {"model": None, "architecture": TEXT["roberta"]}


class TestBertWithAdapters(TestBert):
    settings = {"model": None, "architecture": TEXT["bert"], "lora": {"rank": 2, "dropout": 0.0}}


class TestClipText(TestBert):
    settings = {"model": None, "architecture": TEXT["clip"]}


class TestT5AsOneStage(TestBert):
    settings = {"model": None, "architecture": WHOLE_TEXT["t5"]}


class OfLargerPictures(OfPictures):
    facts = {"channels": 3, "height": 12, "width": 12}


class TestClip(OfPictures):
    settings = {"model": None, "architecture": VISION["clip"]}


class TestClipAsInLlava(OfPictures):
    kept = slice(1, None)
    settings = {"model": None, "architecture": VISION["clip"], "drop_layers": 1, "output": "patches"}


class TestSiglip(OfPictures):
    settings = {"model": None, "architecture": VISION["siglip"], "output": "patches"}


class TestViT(OfPictures):
    settings = {"model": None, "architecture": VISION["vit"], "lora": {"rank": 2, "targets": ["q_proj"]}}


class TestConvNextAsOneStage(OfPictures):
    settings = {"model": None, "architecture": WHOLE_VISION["convnext"]}


class TestResNetAsOneStage(OfPictures):
    facts = {"channels": 3, "height": 32, "width": 32}
    settings = {"model": None, "architecture": WHOLE_VISION["resnet"]}


class OfWriters(OfTexts):
    name = "hf-causal"

    def saved(self, folder: Path):
        from transformers import AutoModelForCausalLM

        return save(AutoModelForCausalLM.from_config(config_of(self.settings)), folder)

    def expected(self, network: Any, field: Field) -> Tensor:
        return network(**self.inputs(field)).logits[..., :VOCABULARY]


class TestLlama(OfWriters):
    settings = {"model": None, "architecture": CAUSAL["llama"]}


class TestLlamaWithAdapters(TestLlama):
    settings = {"model": None, "architecture": CAUSAL["llama"], "lora": {"rank": 2}}


class TestQwen2WithRoomToSpare(TestLlama):
    settings = {"model": None, "architecture": {**CAUSAL["qwen2"], "vocab_size": VOCABULARY + 8}}


class TestGPT2AsOneStage(TestLlama):
    settings = {"model": None, "architecture": WHOLE_CAUSAL["gpt2"]}


ALIKE = {
    "distilbert": (OfTexts, TEXT["distilbert"]),
    "electra": (OfTexts, TEXT["electra"]),
    "albert": (OfTexts, WHOLE_TEXT["albert"]),
    "dinov2": (OfPictures, VISION["dinov2"]),
    "clip, larger pictures": (OfLargerPictures, VISION["clip"]),
    "llama with one table": (OfWriters, CAUSAL["llama-tied"]),
    "mistral": (OfWriters, CAUSAL["mistral"]),
    "qwen3": (OfWriters, CAUSAL["qwen3"]),
    "opt": (OfWriters, WHOLE_CAUSAL["opt"]),
}
"""Families that differ in names alone from one with a class of its own."""


@pytest.mark.parametrize("kind", ALIKE)
def test_others_compute_what_transformers_computes(kind, tmp_path):
    case = type("Case", ALIKE[kind][:1], {"settings": {"model": None, "architecture": ALIKE[kind][1]}})()

    case.test_it_computes_what_transformers_computes(tmp_path)
    case.test_every_parameter_gets_a_gradient()
    case.test_decoding_word_by_word_gives_the_same()  # passes by where the encoder does not write
    case.test_decoding_goes_on_after_picking_rows()
    case.test_decoding_goes_on_after_beams_change_places()
