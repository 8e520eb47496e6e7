"""Scores of slices, and under damage."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from mmcore.evaluation.corruption import under_corruption
from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import score
from mmcore.evaluation.settings import EvaluationSettings
from mmcore.evaluation.slices import MOST, score_slices
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from tests.training.toy import PLAN


@pytest.fixture
def model() -> MultimodalModel:
    return assemble(PLAN, toy_modalities(), seed=0, plugins=toy_plugins()).eval()


def test_slices_divide_the_rows(model: MultimodalModel) -> None:
    judged = predict(model, [toy_batch(40, seed=1)], modalities=toy_modalities())
    columns = {"place": ["here" if n % 4 else None for n in range(1000)]}
    found = score_slices(model, judged, columns, EvaluationSettings(resamples=20))
    here = np.array([columns["place"][row] == "here" for row in judged["answer"].row])
    whole = score(model, judged)["answer/accuracy"]
    parts = found["answer/accuracy/slice/place=here"], found["answer/accuracy/slice/place=(none)"]
    assert here.mean() * parts[0] + (1 - here.mean()) * parts[1] == pytest.approx(whole)
    assert found["answer/accuracy/slice/place=here/low"] <= parts[0]


def test_only_the_most_frequent_values_are_scored(model: MultimodalModel) -> None:
    judged = predict(model, [toy_batch(64, seed=1)], modalities=toy_modalities())
    found = score_slices(model, judged, {"n": list(range(1000))}, EvaluationSettings(resamples=0))
    assert sum(key.startswith("answer/accuracy/slice/") for key in found) == MOST


class Zeroes(Modality):
    """Damage that takes values towards zero."""

    corruptions = ("fade",)

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        assert kind == "fade"
        return field.with_values(field.values * (1 - strength))


def test_each_input_is_damaged_alone(model: MultimodalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    modalities: Mapping[str, Modality] = toy_modalities()
    monkeypatch.setattr(type(modalities["vector"]), "corruptions", ("fade",), raising=False)
    monkeypatch.setattr(type(modalities["vector"]), "corrupt", Zeroes.corrupt)
    seen = list[tuple[bool, bool]]()
    real, original = MultimodalModel.forward, toy_batch(16, seed=3)

    def spy(self: MultimodalModel, batch):
        names = ("vector", "sequence")
        seen.append(tuple(torch.equal(batch.fields[name].values, original.fields[name].values) for name in names))
        return real(self, batch)

    monkeypatch.setattr(MultimodalModel, "forward", spy)
    found = under_corruption(
        model, lambda: [toy_batch(16, seed=3)], modalities=modalities, strengths=(0.5, 1.0), seed=0
    )
    assert {key for key in found if key.startswith("answer/accuracy")} == {
        "answer/accuracy/under/vector/fade/0.5", "answer/accuracy/under/vector/fade/1",
    }  # fmt: skip
    assert seen == [(False, True), (False, True)]
