"""What is special about the fusions that look between stages: trunk, cross, bottleneck."""

import pytest
import torch
from mm_fusion.bottleneck import Bottleneck
from mm_fusion.cross import Cross
from mm_fusion.trunk import Trunk

from mmcore.errors import BuildError, ConfigError
from mmcore.interfaces.fusion import Port
from mmcore.testing.probes import probe_runs
from mmcore.testing.reach import shake

PORTS = {"image": Port((4, 6, 6)), "question": Port((6, 6, 6), elastic=True)}


def ready(fusion):
    """In evaluation mode, its gates open."""
    shake(fusion, size=0.3)
    return fusion.eval()


def ends(fusion, **how):
    return fusion(probe_runs(fusion, PORTS, **how))


@pytest.mark.parametrize(
    "fusion",
    [Trunk(PORTS, width=8, depth=1), Cross(PORTS, heads=2), Cross(PORTS, heads=2, both_ways=True)],
    ids=["trunk", "cross", "cross both ways"],
)
def test_fields_begin_as_if_nothing_were_fused(fusion):
    fusion.eval()
    plain, found = probe_runs(fusion, PORTS), ends(fusion)
    for name, run in plain.items():
        torch.testing.assert_close(run.finish().values, found[name].values)


@pytest.mark.parametrize("depth", [0, 1, None])
def test_a_trunk_over_a_causal_text_is_a_prefix_language_model(depth):
    fusion = ready(Trunk(PORTS, width=8, heads=2, depth=depth))
    before, other_text, other_image = (ends(fusion, moved=name) for name in (None, "question", "image"))

    torch.testing.assert_close(before["image"].values, other_text["image"].values)
    moved = (before["question"].values - other_image["question"].values).abs().amax(-1)
    assert moved[before["question"].mask].gt(1e-4).all()


def test_fields_without_an_order_see_each_other_in_a_trunk():
    ports = {"image": Port((4, 6)), "sound": Port((3, 6))}
    fusion = ready(Trunk(ports, width=8, heads=2))
    before, moved = (fusion(probe_runs(fusion, ports, moved=name)) for name in (None, "sound"))

    assert not torch.allclose(before["image"].values, moved["image"].values, atol=1e-4)
    assert before["joint"].flat, "attention would take the slow path"


def test_a_trunk_puts_in_a_shorter_field_when_it_has_finished():
    ports = {**PORTS, "sound": Port((3, 4))}
    assert Trunk(ports, width=8, heads=2, depth=1).taps == {"image": "between", "question": "between", "sound": "end"}


def test_cross_leaves_a_field_alone_that_has_nothing_to_look_at():
    fusion = ready(Cross(PORTS, heads=2))
    plain = probe_runs(fusion, PORTS)["question"].finish()

    torch.testing.assert_close(ends(fusion, without=["image"])["question"].values, plain.values)


def test_cross_looks_at_the_named_fields_alone():
    ports = {**PORTS, "sound": Port((3, 4))}
    fusion = ready(Cross(ports, heads=2, of=("sound",)))
    before, image, sound = (fusion(probe_runs(fusion, ports, moved=name)) for name in (None, "image", "sound"))

    torch.testing.assert_close(before["question"].values, image["question"].values)
    assert not torch.allclose(before["question"].values, sound["question"].values, atol=1e-4)


def test_cross_both_ways_lets_the_other_field_look_back():
    one, both = (ready(Cross(PORTS, heads=2, both_ways=both_ways)) for both_ways in (False, True))

    torch.testing.assert_close(ends(one)["image"].values, ends(one, moved="question")["image"].values)
    assert not torch.allclose(ends(both)["image"].values, ends(both, moved="question")["image"].values, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"into": "text"}, r"fusion.into names the field 'text', which has no encoder"),
        ({"of": ("text",)}, r"fusion.of names the field 'text', which has no encoder"),
        ({"of": ("question",)}, r"fusion.of must name fields other than 'question', but names question"),
        ({"of": ()}, r"fusion.of must name fields other than 'question', but names none"),
    ],
)
def test_cross_needs_fields_to_look_at(settings, message):
    with pytest.raises(BuildError, match=message):
        Cross(PORTS, heads=2, **settings)


def test_cross_needs_a_stage_to_look_from():
    with pytest.raises(BuildError, match="no stages to look from"):
        Cross({**PORTS, "question": Port((6,))})


def test_heads_that_do_not_divide_a_width_are_told():
    with pytest.raises(ConfigError, match="a width of 6 cannot be dealt to 4 heads"):
        Cross(PORTS, heads=4)


TEXTS = {"left": Port((6, 6, 6), elastic=True), "right": Port((6, 6, 6), elastic=True)}


@pytest.mark.parametrize("absent", ["left", "right"])
def test_shared_tokens_are_averaged_over_the_fields_that_are_there(absent):
    present = "right" if absent == "left" else "left"
    fusion = ready(Bottleneck(TEXTS, width=6, tokens=2, last=2))
    alone = Bottleneck({present: TEXTS[present]}, width=6, tokens=2, last=2).eval()
    alone.load_state_dict(fusion.state_dict())  # equal widths: no layers between, the shared tokens are all there is
    runs = probe_runs(fusion, TEXTS, without=[absent])
    expected = alone({present: probe_runs(fusion, TEXTS)[present]})

    found = fusion(runs)

    torch.testing.assert_close(found[present].values, expected[present].values)
    torch.testing.assert_close(found["joint"].values[..., :6], expected["joint"].values[..., :6])


def test_shared_tokens_carry_one_field_to_another():
    fusion = ready(Bottleneck(TEXTS, width=6, tokens=2, last=2))
    before, after = (fusion(probe_runs(fusion, TEXTS, moved=name))["right"] for name in (None, "left"))
    last = before.mask.sum(1) - 1  # of a causal text only the end sees what stands behind it
    rows = torch.arange(len(last))

    assert (before.values - after.values)[rows, last].abs().amax(-1).gt(1e-5).all()


def test_in_one_stage_shared_tokens_carry_nothing_back():
    fusion = ready(Bottleneck(TEXTS, width=6, tokens=2, last=1))
    before, after = (fusion(probe_runs(fusion, TEXTS, moved=name)) for name in (None, "left"))

    torch.testing.assert_close(before["right"].values, after["right"].values)
    assert not torch.allclose(before["joint"].values[..., :6], after["joint"].values[..., :6], atol=1e-4)


def test_bottleneck_needs_a_field_that_takes_tokens():
    with pytest.raises(BuildError, match="but none of image, sound has them"):
        Bottleneck({"image": Port((4, 6)), "sound": Port((3, 4))})
