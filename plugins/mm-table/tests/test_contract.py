"""The table modality and its encoders keep the promises of mmcore.interfaces."""

import json
from pathlib import Path

import torch

from mmcore.interfaces.field import Field
from mmcore.testing import EncoderContract, ModalityContract

FACTS = {"numbers": ("age", "fare"), "categories": ("class", "port"), "cardinalities": (3, 4)}


class TestTable(ModalityContract):
    name = "table"
    settings = {"min_count": 1}

    def cells(self, folder: Path):
        rows = [
            {"age": 31, "fare": 7.25, "class": "third", "口岸": "上海"},
            {"age": 4, "fare": 1e6, "class": "first", "口岸": None},
            {"age": None, "fare": 0, "class": "third", "口岸": "大连"},
            {"age": 58, "fare": -3.5, "class": None, "口岸": "上海"},
            {"age": 22, "fare": 7.25, "class": "second", "口岸": "上海"},
            {"age": 31.5, "class": "third"},
            {},
        ]
        return [json.dumps(row, ensure_ascii=False) for row in rows]

    def broken(self, folder: Path):
        return [
            "no json",
            "[1, 2]",
            3,
            '{"age": "many"}',
            '{"age": Infinity}',
            '{"agee": 3}',
            '{"age": {"years": 3}}',
            '{"age": 31',
        ]


class TestTableByQuantiles(TestTable):
    settings = {"scale": "quantile"}


class TestTableWithSettings(TestTable):
    settings = {"categories": ["fare"], "numbers": ["age"]}


class TestTableMLP(EncoderContract):
    name = "table-mlp"
    facts = FACTS
    settings = {"widths": [8, 6], "category_width": 3}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        numbers = len(self.facts["numbers"])
        values = torch.randn(samples, numbers + len(self.facts["categories"]), 2, generator=generator)
        for place, count in enumerate(self.facts["cardinalities"], start=numbers):
            values[:, place, 0] = torch.randint(count, (samples,), generator=generator).float()
        rows, features = torch.arange(samples).unsqueeze(1), torch.arange(values.shape[1])
        values[..., 1] = ((rows + features) % 3 != 0).float()
        return Field(values, torch.ones(samples, dtype=torch.bool))


class TestTableMLPOfNumbers(TestTableMLP):
    facts = {"numbers": ("a", "b", "c"), "categories": (), "cardinalities": ()}


class TestTableMLPOfCategories(TestTableMLP):
    facts = {"numbers": (), "categories": ("a", "b"), "cardinalities": (1, 5)}
    settings = {"widths": [8], "activation": "gelu", "dropout": 0.0}


class TestFTTransformer(TestTableMLP):
    name = "ft-transformer"
    settings = {"width": 8, "heads": 2}


class TestFTTransformerOfNumbers(TestFTTransformer):
    facts = {"numbers": ("a", "b", "c"), "categories": (), "cardinalities": ()}


class TestFTTransformerOfCategories(TestFTTransformer):
    facts = {"numbers": (), "categories": ("a", "b"), "cardinalities": (2, 5)}
