"""The fusions, encoders and the task of this repository write together: what is remembered changes nothing."""

from dataclasses import replace

import pytest
import torch

from mmcore.errors import BuildError
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.writing import Writing
from mmcore.model.assemble import assemble
from mmcore.model.decode import generate
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.testing.reach import shake

TEXTS = ["a red circle stands\n to the left", "what is blue is not\n green", "nothing\n is there to be seen at all"]
SAMPLES = 5

FUSIONS = {
    "align": {"name": "align"},
    "prefix": {"name": "prefix", "into": "answer", "connector": {"name": "mlp"}},
    "prefix of few": {"name": "prefix", "into": "answer", "connector": {"name": "resampler", "latents": 3, "heads": 2}},
    "cross": {"name": "cross", "into": "answer", "width": 8, "heads": 2},
    "film": {"name": "film", "guide": "image", "guided": "answer"},
    "chain": {
        "name": "chain",
        "first": {"name": "prefix", "into": "answer", "connector": {"name": "linear"}},
        "second": {"name": "concat", "width": 8},
    },
}
ENCODERS = {
    "lstm": {"name": "rnn", "width": 16, "embedding_width": 12, "layers": 2, "bidirectional": False, "causal": True},
    "transformer": {"name": "transformer", "width": 16, "heads": 2, "layers": 2, "causal": True},
}
PICTURE = {"name": "cnn", "widths": [8, 16], "strides": [1, 2], "groups": 2}


def part(raw):
    return Part.from_yaml(raw, "test")


def modalities():
    """A picture and a text, fitted."""
    plugins = installed()
    image = plugins.modality.build(Part("image", {"size_px": 16}), where="image")
    text = plugins.modality.build(Part("text", {"vocabulary_size": 300, "prompt_ends": "\n"}), where="text")
    text.fit(TEXTS, None)
    return {"image": image, "answer": text}


MODALITIES = modalities()


def build(fusion, encoder, *, shaken=True):
    """A model, its gates open where it is shaken."""
    plan = ModelPlan(
        modalities={"image": Part("image", {}), "answer": Part("text", {})},
        encoders={"image": EncoderPlan(part(PICTURE)), "answer": EncoderPlan(part(encoder))},
        fusion=part(fusion),
        tasks={"say": Part("generation", {"target": "answer", "max_tokens": 8})},
    )
    model = assemble(plan, MODALITIES, seed=0).eval()
    if shaken:
        shake(model, size=0.3)
    return model


def batch():
    """Pictures, one of them absent, and prompts of several lengths."""
    draw = torch.Generator().manual_seed(0)
    text = MODALITIES["answer"]
    given = text.collate([text.read(TEXTS[n % len(TEXTS)], None) for n in range(SAMPLES)])
    image = Field(torch.rand(SAMPLES, 3, 16, 16, generator=draw), torch.arange(SAMPLES) != 2)
    rows = torch.arange(SAMPLES)
    return Batch({"image": image, "answer": text.prepare(given)}, row=rows, group=rows)


def write(model, given, **writing):
    facts = MODALITIES["answer"].facts()
    return generate(model, given, field="answer", facts=facts, writing=Writing(max_tokens=8, **writing))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("fusion", "beams"), [*((name, 1) for name in FUSIONS), ("prefix", 3), ("cross", 3)])
def test_what_is_remembered_gives_what_walking_all_again_gives(fusion, encoder, beams):
    model, given = build(FUSIONS[fusion], ENCODERS[encoder]), batch()
    assert model.fusion.streaming
    ids, log_probability = write(model, given, beams=beams)
    model.fusion.streaming = False
    again, log_probability_again = write(model, given, beams=beams)

    assert ids.tolist() == again.tolist()
    torch.testing.assert_close(log_probability, log_probability_again, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", [FUSIONS["prefix"], FUSIONS["cross"], {"name": "trunk", "width": 8, "heads": 2}])
def test_what_is_written_depends_on_the_picture(fusion):
    model, given = build(fusion, ENCODERS["transformer"]), batch()
    dark = given.with_fields({"image": replace(given.fields["image"], values=given.fields["image"].values - 3)})

    before, after = (write(model, each)[1] for each in (given, dark))

    assert (before - after)[2].abs() < 1e-5  # it has no picture
    assert (before - after)[[0, 1, 3, 4]].abs().gt(1e-3).all()


@pytest.mark.parametrize(
    "fusion",
    [
        {"name": "cross", "into": "answer", "width": 8, "heads": 2, "both_ways": True},
        {"name": "bottleneck", "width": 8},
    ],
)
def test_a_text_that_learns_of_its_own_later_tokens_cannot_be_written(fusion):
    message = (
        r"tasks.say writes the field 'answer', but in the fusion (Cross|Bottleneck), as it is set, its tokens learn"
    )
    with pytest.raises(BuildError, match=message):
        build(fusion, ENCODERS["transformer"])


def test_another_connector_changes_nothing_else_at_the_start():
    chains = (FUSIONS["chain"], {**FUSIONS["chain"], "first": FUSIONS["prefix of few"]})
    one, other = (build(chain, ENCODERS["lstm"], shaken=False).state_dict() for chain in chains)
    shared = [name for name in one if name in other and not name.startswith("fusion.first.connect")]

    assert [name for name in shared if name.startswith("fusion.second.")]
    assert all(torch.equal(one[name], other[name]) for name in shared)
