"""What is special about prefix and chain, and how fusions behave in a model that writes."""

from functools import partial

import pytest
import torch
from mm_fusion.align import Align
from mm_fusion.chain import Chain
from mm_fusion.concat import Concat
from mm_fusion.cross import Cross
from mm_fusion.film import FiLM
from mm_fusion.prefix import Prefix
from mm_fusion.trunk import Trunk
from mm_fusion.weighted import WeightedSum

from mmcore.errors import BuildError
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.probes import probe_runs
from mmcore.testing.reach import shake
from mmcore.testing.toys.connector import ToyConnector

PORTS = {"image": Port((4, 6, 5)), "sound": Port((3, 4)), "text": Port((6, 6, 6), elastic=True)}


def prefix(ports=PORTS):
    fusion = Prefix(ports, into="text", connector=ToyConnector).eval()
    shake(fusion, size=0.3)
    return fusion


def ends(fusion, ports=PORTS, **how):
    return fusion(probe_runs(fusion, ports, **how))


def test_a_text_sees_its_prefix_and_the_prefix_does_not_see_the_text():
    before, image, text = (ends(prefix(), moved=name) for name in (None, "image", "text"))

    moved = (before["text"].values - image["text"].values).abs().amax(-1)
    assert moved[before["text"].mask].gt(1e-4).all()
    torch.testing.assert_close(before["image"].values, text["image"].values)


def test_a_prefix_has_a_connector_for_each_field():
    assert [(layer.linear.in_features, layer.linear.out_features) for layer in prefix().connect] == [(5, 6), (4, 6)]


def test_the_stream_of_the_text_is_the_text_alone():
    fusion = prefix()
    assert ends(fusion)["text"].length == probe_runs(fusion, PORTS)["text"].own.length


def test_a_language_model_without_other_fields_writes_alone():
    ports = {"text": PORTS["text"]}
    fusion = prefix(ports)

    torch.testing.assert_close(ends(fusion, ports)["text"].values, probe_runs(fusion, ports)["text"].finish().values)


def test_a_text_whose_fields_are_all_absent_is_the_language_model_alone():
    fusion = prefix()
    plain = probe_runs(fusion, PORTS)["text"].finish()

    torch.testing.assert_close(ends(fusion, without=["image", "sound"])["text"].values, plain.values)


@pytest.mark.parametrize("port", [Port((6, 6)), Port((6,), elastic=True)], ids=["a grid", "no stages"])
def test_a_prefix_needs_a_text_that_takes_it(port):
    with pytest.raises(BuildError, match=r"fusion.into names 'text', whose encoder takes no inserted tokens"):
        prefix({**PORTS, "text": port})


def concat(ports):
    return Concat(ports, width=8)


def trunk(ports):
    return Trunk(ports, width=8)


def cross(ports, *, both_ways=False):
    return Cross(ports, into="text", heads=1, both_ways=both_ways)


def test_a_chain_has_the_streams_of_both():
    fusion = Chain(PORTS, first=lambda ports: FiLM(ports, guide="text"), second=concat)

    assert set(ends(fusion.eval())) == set(fusion.writes) == {"image", "sound", "text", "joint"}


def test_the_second_of_a_chain_fuses_what_the_first_made():
    chain = Chain(PORTS, first=lambda ports: FiLM(ports, guide="text"), second=concat).eval()
    film = ends(chain.first)
    expected = chain.second.combine(film)["joint"]

    found = ends(chain)

    torch.testing.assert_close(found["joint"].values, expected.values)
    torch.testing.assert_close(found["image"].values, film["image"].values)


def test_to_the_second_of_a_chain_the_joint_of_the_first_is_a_field():
    chain = Chain(PORTS, first=concat, second=concat)
    assert chain.second.names == ("image", "joint", "sound", "text")


def test_the_second_of_a_chain_cannot_look_between_stages():
    with pytest.raises(BuildError, match=r"fusion.second, FiLM, looks between the stages of image"):
        Chain(PORTS, first=concat, second=lambda ports: FiLM(ports, guide="text"))


@pytest.mark.parametrize(
    ("first", "second", "streaming", "looks_ahead"),
    [
        (Align, concat, True, set()),
        (trunk, concat, False, set()),
        (cross, concat, True, set()),
        (partial(cross, both_ways=True), concat, False, {"image", "sound", "text"}),
        (Align, trunk, False, set()),
        (WeightedSum, trunk, False, {"image", "sound", "text"}),
    ],
)
def test_a_chain_writes_as_its_parts_do(first, second, streaming, looks_ahead):
    chain = Chain(PORTS, first=first, second=second)

    assert chain.streaming == streaming
    assert set(chain.looks_ahead) == looks_ahead


class Counted(ToyConnector):
    """Counts how often it is asked."""

    calls = 0

    def forward(self, tokens: Tokens) -> Tokens:
        Counted.calls += 1
        return super().forward(tokens)


def test_nothing_is_connected_a_second_time_while_writing(monkeypatch):
    monkeypatch.setattr(Counted, "calls", 0)
    fusion = Prefix(PORTS, into="text", connector=Counted).eval()
    runs = probe_runs(fusion, PORTS)
    fusion(runs)
    runs["text"].decoding = True
    fusion(runs)

    assert Counted.calls == 2
