"""The text modality and its encoders keep the promises of mmcore.interfaces."""

from pathlib import Path

import torch

from mmcore.interfaces.field import Field
from mmcore.testing.encoder import EncoderContract
from mmcore.testing.modality import ModalityContract

VOCABULARY = 20
FACTS = {
    "vocabulary": VOCABULARY,
    "pad": 0,
    "bos": 1,
    "eos": 2,
    "unknown": 3,
    "max_tokens": 16,
    "tokens": tuple(f"t{n}" for n in range(VOCABULARY)),
}


def texts(samples: int, generator: torch.Generator) -> Field:
    """Texts of 3 to 8 tokens, the first of 8."""
    lengths = torch.randint(3, 9, (samples,), generator=generator)
    lengths[0] = 8
    values = torch.randint(4, VOCABULARY, (samples, 8), generator=generator)
    mask = torch.arange(8) < lengths.unsqueeze(1)
    return Field(values.where(mask, torch.tensor(0)), torch.ones(samples, dtype=torch.bool), mask)


class TestText(ModalityContract):
    name = "text"
    settings = {"vocabulary_size": 300, "max_tokens": 12}

    def cells(self, folder: Path):
        return ["is there a circle?", "春眠不觉晓", "", "42", "a much longer text than there is room for", "what?", 7]

    def broken(self, folder: Path):
        return [float("nan"), float("inf"), True]


class TestTextLowercase(TestText):
    settings = {"vocabulary_size": 300, "max_tokens": 12, "lowercase": True}


class TestTextCharacters(TestText):
    settings = {"kind": "character", "vocabulary_size": 30, "max_tokens": 12, "prompt_ends": " "}


class TestTextTagged(TestText):
    settings = {"vocabulary_size": 300, "segment": "jieba", "taggers": {"zh": "jieba"}}


class TestRNN(EncoderContract):
    name = "rnn"
    facts = FACTS
    settings = {"width": 8, "embedding_width": 6, "layers": 2}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return texts(samples, generator)


class TestCausalLSTM(TestRNN):
    settings = {"width": 8, "embedding_width": 6, "layers": 2, "bidirectional": False, "causal": True}


class TestCausalGRU(TestRNN):
    settings = {"kind": "gru", "width": 6, "embedding_width": 6, "bidirectional": False, "causal": True}


class TestTransformer(TestRNN):
    name = "transformer"
    settings = {"width": 8, "heads": 2, "dropout": 0.0}


class TestCausalTransformer(TestRNN):
    name = "transformer"
    settings = {"width": 8, "heads": 2, "causal": True, "dropout": 0.1}


class TestTagged(TestRNN):
    facts = {**FACTS, "tags": ("", "zh/n", "zh/v")}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        field = texts(samples, generator)
        return field.with_values(
            field.values + VOCABULARY * torch.randint(0, 3, field.values.shape, generator=generator)
        )


class TestTaggedTransformer(TestTagged):
    name = "transformer"
    settings = {"width": 8, "heads": 2, "dropout": 0.0}


class TestNgrams(TestRNN):
    name = "ngrams"
    settings = {"width": 8, "longest": 3, "buckets": 50}


class TestTaggedNgrams(TestTagged):
    name = "ngrams"
    settings = {"width": 8, "buckets": 10, "skip": 0.2}
