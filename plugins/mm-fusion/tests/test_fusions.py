"""What is special about each fusion."""

import pytest
import torch
from mm_fusion.concat import Concat
from mm_fusion.film import FiLM
from mm_fusion.similarity import Similarity
from mm_fusion.weighted import WeightedSum

from mmcore.errors import BuildError
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.probes import Probe, probe_field
from mmcore.testing.walk import batch_of, model_of

PORTS = {"image": Port((4, 6, 5)), "question": Port((5, 5), elastic=True)}
SAMPLES = 4


def start(fusion, *, without=None) -> dict[str, Run]:
    """Runs of two probes; `without` names a field that every sample lacks."""
    torch.manual_seed(0)
    model = model_of({name: Probe(port) for name, port in PORTS.items()}, fusion).eval()
    draw = torch.Generator().manual_seed(0)
    fields = {name: probe_field(port, SAMPLES, draw) for name, port in PORTS.items()}
    if without is not None:
        fields[without] = fields[without].hide(torch.arange(SAMPLES))
    return model.start(batch_of(fields))


def test_film_without_its_guide_leaves_the_guided_field_alone():
    fusion = FiLM(PORTS, activation="none").eval()
    plain = start(fusion)["image"].finish()
    steered = fusion(start(fusion, without="question"))["image"]
    torch.testing.assert_close(plain.values, steered.values)


def test_film_scales_and_shifts_after_each_stage():
    fusion = FiLM(PORTS, activation="relu", with_guide=False, pool="mean").eval()
    runs = start(fusion)
    image, guide = runs["image"], runs["question"].finish().pool()
    for layer in fusion.modulate:
        scale, shift = layer(guide).unsqueeze(1).chunk(2, -1)
        image.own = image.advance().with_values(image.own.values * (1 + scale) + shift)
    expected = torch.relu(image.own.values).mean(1)
    torch.testing.assert_close(fusion(start(fusion))["joint"].values[:, 0], expected)


def test_film_cannot_guide_a_field_with_itself():
    with pytest.raises(BuildError, match=r"both name 'image'"):
        FiLM(PORTS, guide="image", guided="image")


def test_film_names_the_fields_there_are():
    with pytest.raises(BuildError, match=r"names the field 'text', which has no encoder.*image, question"):
        FiLM(PORTS, guide="text")


def test_film_needs_a_stage_to_look_behind():
    with pytest.raises(BuildError, match="no stages"):
        FiLM({**PORTS, "image": Port((4,))})


def test_the_weights_of_a_sum_are_shared_out_among_those_present():
    fusion = WeightedSum(PORTS, width=3)
    present = torch.tensor([[True, True], [True, False]])
    vectors = torch.where(present.unsqueeze(-1), torch.ones(2, 2, 3), 0)
    torch.testing.assert_close(fusion.mix(vectors, present), torch.ones(2, 3))


def test_concat_tells_an_absent_field_from_a_zero_vector():
    fusion = Concat(PORTS, width=3)
    vectors = torch.zeros(1, 2, 3)
    here, gone = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert not torch.equal(fusion.out(fusion.beside(vectors, here)), fusion.out(fusion.beside(vectors, gone)))


def test_similarity_is_the_product_of_tokens_within_one_sample():
    fusion = Similarity(PORTS, width=3, normalise="none", direction="first", residual=False)
    image, question = torch.randn(2, 6, 5), torch.randn(2, 4, 5)
    joint = fusion.combine({"image": Tokens.of(image), "question": Tokens.of(question)})["joint"]
    for sample in range(2):
        a, b = fusion.of_first(image[sample]), fusion.of_second(question[sample])
        torch.testing.assert_close(joint.values[sample], (a @ b.T) @ b / 4)


def test_similarity_as_shares_gathers_a_mean():
    fusion = Similarity(PORTS, width=3, direction="first", residual=False)
    same = torch.ones(1, 4, 5)
    joint = fusion.combine({"image": Tokens.of(torch.randn(1, 6, 5)), "question": Tokens.of(same)})["joint"]
    torch.testing.assert_close(joint.values[0], fusion.of_second(same[0, :1]).expand(6, -1))


def test_similarity_in_both_directions_keeps_the_tokens_of_both():
    fusion = Similarity(PORTS, width=3)
    joint = fusion(start(fusion))["joint"]
    assert joint.length == 6 + 5


def test_similarity_needs_two_fields():
    with pytest.raises(BuildError, match="both name 'image'"):
        Similarity(PORTS, first="image", second="image")
