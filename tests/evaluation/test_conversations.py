"""Of a conversation the same is written and compared: the last answer, after all that stands before it."""

from dataclasses import replace

import pytest
import torch

from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import majority, score
from mmcore.interfaces.field import Batch
from mmcore.model import decode
from mmcore.model.assemble import assemble
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.texts import Texts
from mmcore.registry.plugins import Plugins, find_installed
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_batch, toy_modalities
from mmcore.testing.toys.kit import toy_entry_points

METRICS = ("perplexity", "exact_match", "symbol_error", "bleu", "cider_d")
MODALITIES = toy_modalities()


class Perfect(Texts):
    """Goes on with each text as it goes on in the data."""

    def __init__(self, batch: Batch, given: Batch) -> None:
        prompt, self.whole = given.fields["sequence"], batch.fields["sequence"].values
        self.at = torch.full((len(given),), prompt.values.shape[1]) if prompt.mask is None else prompt.mask.sum(1)

    def next(self) -> torch.Tensor:
        """The next token is sure."""
        token = self.whole.gather(1, self.at.unsqueeze(1))[:, 0]
        return 50.0 * torch.nn.functional.one_hot(token, MODALITIES["sequence"].facts()["vocabulary"]).float()

    def add(self, tokens: torch.Tensor, real: torch.Tensor | None = None) -> None:
        """One place on, up to the end."""
        self.at = (self.at + 1).clamp_max(self.whole.shape[1] - 1)

    def pick(self, rows: torch.Tensor) -> None:
        """Those texts."""
        self.whole, self.at = self.whole[rows], self.at[rows]


def conversations() -> Batch:
    """Of each two texts one follows another, as the answer to a second question does; what ends them is written too."""
    batch = toy_batch(24, seed=4)
    text = batch.fields["sequence"]
    length = text.mask.sum(1, keepdim=True)
    values, mask = (torch.cat([part, torch.zeros_like(part)], 1) for part in (text.values, text.mask))
    places = torch.arange(values.shape[1])
    again = (places >= length) & (places < 2 * length) & (torch.arange(24).unsqueeze(1) % 2 == 0)
    values = torch.where(again, text.values.gather(1, (places - length).clamp(0, text.values.shape[1] - 1)), values)
    scored = (mask & (places > 0)) | (again & (places > length))
    return batch.with_fields({"sequence": replace(text, values=values, mask=mask | again, scored=scored)})


@pytest.fixture
def model():
    plan = ModelPlan(
        modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {})},
        encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
        fusion=Part("toy_prefix", {}),
        tasks={"say": Part("generation", {"target": "sequence", "metrics": METRICS, "max_tokens": 12})},
    )
    plugins = Plugins.of(lambda group: [*toy_entry_points(group), *find_installed(group)])
    return assemble(plan, MODALITIES, seed=0, plugins=plugins).eval()


def test_a_perfect_model_is_told_to_be_perfect(model, monkeypatch):
    batch = conversations()
    monkeypatch.setattr(decode, "begin", lambda model, given, *, field: Perfect(batch, given))

    judged = predict(model, [batch], modalities=MODALITIES, write=True)

    assert judged["say"].predictions["text"].tolist() == judged["say"].truth["text"].tolist()
    scores = score(model, judged)
    assert (scores["say/exact_match"], scores["say/symbol_error"], scores["say/bleu"]) == (1, 0, pytest.approx(1))


def test_the_floor_says_one_answer_not_several(model):
    batch = conversations().pick(torch.tensor([0] * 3 + [1]))
    judged = predict(model, [batch], modalities=MODALITIES)

    found = majority(model, judged, judged)

    assert found["say/exact_match"] == 0.75
    words = toy_batch(1, seed=4).fields["sequence"]
    assert judged["say"].truth["text"][0] == MODALITIES["sequence"].decode(words.values)[0]


def test_every_answer_counts_for_the_perplexity(model):
    batch = conversations()
    judged = predict(model, [batch], modalities=MODALITIES)

    text = batch.fields["sequence"]
    assert judged["say"].predictions["tokens"].tolist() == text.scored.sum(1).tolist()
    assert (text.written().sum(1) * 2)[::2].tolist() == text.scored.sum(1)[::2].tolist()
