"""Batch statistics where few rows of a batch go through, or none: what is kept, what is learned, what comes back."""

from collections.abc import Collection
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Stage
from mmcore.interfaces.field import Field
from mmcore.interfaces.norms import few_rows
from mmcore.interfaces.tokens import Tokens
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.settings import ModelSettings
from mmcore.testing.perturb import real
from mmcore.testing.toys.encoders import MLP
from mmcore.testing.walk import NoFusion, Port, batch_of, model_of

PLACES = 3


class Normed(Stage):
    """Batch norm over all tokens of the batch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, tokens: Tokens, cache: object = None) -> Tokens:
        return tokens.with_values(self.norm(tokens.values.transpose(1, 2)).transpose(1, 2))


class Statistics(MLP):
    """Norms in `embed` and in a stage: of a single value for each channel, unless a row has several tokens."""

    batch_statistics = True

    def __init__(self, *, places: int = 1) -> None:
        super().__init__({"numbers": 3})
        self.places, self.before = places, nn.BatchNorm1d(3)
        self.stages = nn.ModuleList([Normed(8)])
        self.widths = (8, 8)

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        values = self.before(field.values) if self.places == 1 else field.values
        return Tokens.of(self.first(values).unsqueeze(1).repeat(1, self.places, 1) + torch.arange(self.places)[:, None])


def field(present: Collection[int] = range(4), *, samples: int = 4, seed: int = 0) -> Field:
    values = torch.randn(samples, 3, generator=torch.Generator().manual_seed(seed))
    return Field(values, torch.tensor([row in present for row in range(samples)]))


def walked(model: MultimodalModel, **fields: Field) -> dict[str, Tokens]:
    found: dict[str, Tokens] = model.fusion(model.start(batch_of(fields)))
    return found


def learned(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in encoder.named_buffers()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("places", [1, PLACES])
def test_a_batch_without_the_field_moves_no_statistics_and_reaches_every_parameter(places: int) -> None:
    encoder = Statistics(places=places)
    model = model_of({"vector": encoder}).train()
    before = learned(encoder)
    tokens = walked(model, vector=field(()))["vector"]
    torch.autograd.backward(tokens.values.sum())
    assert same(before, learned(encoder))
    assert not tokens.mask.any()
    used = {name: weight.grad for name, weight in encoder.named_parameters() if places == 1 or "before" not in name}
    assert all(grad is not None and not grad.any() for grad in used.values())


def test_dropped_everywhere_is_absent_everywhere() -> None:
    encoders = {"one": Statistics(), "other": Statistics()}
    ports = {name: Port(encoder.widths) for name, encoder in encoders.items()}
    settings, owners = ModelSettings(modality_dropout=1 - 1e-9), {name: name for name in encoders}
    model = MultimodalModel(encoders, NoFusion(ports), tasks={}, owners=owners, settings=settings).train()
    before = {name: learned(encoder) for name, encoder in encoders.items()}
    streams = walked(model, one=field((0,), samples=1), other=field((0,), samples=1))
    spared = [name for name, tokens in streams.items() if not tokens.mask.any()]
    assert len(spared) == 1  # of a sample one field stays
    assert same(before[spared[0]], learned(encoders[spared[0]]))


@pytest.mark.parametrize("given", [field((2,)), field((0,), samples=1), replace(field((0,), samples=1), complete=True)])
def test_one_row_that_is_left_goes_by_running_statistics(given: Field) -> None:
    encoder = Statistics()
    model = model_of({"vector": encoder}).train()
    walked(model, vector=field(seed=1))
    before = learned(encoder)
    found = walked(model, vector=given)["vector"]
    assert same(before, learned(encoder))
    assert encoder.before.training
    torch.testing.assert_close(real(found), real(walked(model.eval(), vector=given)["vector"]))


def test_one_row_of_several_tokens_teaches_as_it_did() -> None:
    encoder, expected = Statistics(places=PLACES), Statistics(places=PLACES)
    expected.load_state_dict(encoder.state_dict())
    given = field((0,), samples=1)
    found = walked(model_of({"vector": encoder}).train(), vector=given)["vector"]
    assert torch.equal(found.values, expected.stages[0](expected.embed(given)).values)
    assert same(learned(expected), learned(encoder))
    assert encoder.stages[0].norm.num_batches_tracked == 1


def test_two_rows_go_through_as_they_are() -> None:
    encoder, expected = Statistics(), Statistics()
    expected.load_state_dict(encoder.state_dict())
    given = field((1, 3))
    found = walked(model_of({"vector": encoder}).train(), vector=given)["vector"]
    picked = expected.stages[0](expected.embed(given.pick(torch.tensor([1, 3]))))
    assert torch.equal(found.values[[1, 3]], picked.values)
    assert same(learned(expected), learned(encoder))


def test_a_field_that_shares_the_encoder_does_not_reach_into_the_gradient_of_one_row() -> None:
    grads = list[Tensor]()
    for fields in ({"left": field((0,))}, {"left": field((0,)), "right": field(seed=5)}):
        torch.manual_seed(0)
        encoder = Statistics()
        model = model_of({"left": encoder}, owners=dict.fromkeys(fields, "left")).train()
        grads += torch.autograd.grad(walked(model, **fields)["left"].values.square().sum(), [encoder.first.weight])
    assert torch.equal(*grads)


def test_a_part_that_learns_within_one_that_rests_sees_no_filler() -> None:
    encoder = Statistics()
    model = model_of({"vector": encoder}).train()
    encoder.training = False  # as `training.thaw` leaves it, of this one alone
    before = learned(encoder)
    walked(model, vector=field(()))
    assert same(before, learned(encoder))
    assert not encoder.training


def test_all_is_as_before_where_a_walk_fails() -> None:
    encoder = Statistics()
    own = dict(encoder.before._buffers)
    with pytest.raises(RuntimeError, match="running_mean"), few_rows(encoder, real=0):
        encoder.train().embed(Field(torch.zeros(1, 5), torch.ones(1, dtype=torch.bool)))
    assert encoder.before.training
    assert "forward" not in vars(encoder.before)
    assert all(encoder.before._buffers[name] is buffer for name, buffer in own.items())


def test_a_norm_that_somebody_gave_a_forward_of_its_own_has_it_afterwards():
    norm = nn.BatchNorm1d(3)
    norm.forward = own = lambda values: values + 7

    with few_rows(norm, real=1):
        assert norm(torch.ones(2, 3)).eq(8).all()

    assert norm.forward is own


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf", "ignore::DeprecationWarning")
def test_a_compiled_stage_spares_its_statistics_too() -> None:
    encoder = Statistics()
    model, compiled = model_of({"vector": encoder}).train(), list[object]()
    encoder.stages[0].compile(backend=lambda graph, inputs: compiled.append(graph) or graph.forward)
    walked(model, vector=field())
    before, programs = learned(encoder), len(compiled)
    for present in ((), (1,)):
        assert walked(model, vector=field(present))["vector"].values.isfinite().all()
    assert same(before, learned(encoder))
    assert len(compiled) == programs == 1
    torch._dynamo.reset()
