"""What is special about alignment."""

import math

import numpy as np
import pytest
import torch
from mm_tasks.alignment import HIGHEST, Alignment
from mm_tasks.number import NumberModality

from mmcore.errors import BuildError
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.tokens import Tokens

FIELDS = {"image": NumberModality(), "text": NumberModality()}
WRITES = {"image": 3, "text": 3}


def batch(rows, group=None, content=None):
    values = torch.arange(rows) if content is None else torch.tensor(content)
    everyone = torch.ones(rows, dtype=torch.bool)
    fields = {name: Field(values, everyone) for name in FIELDS}
    return Batch(fields, row=torch.arange(rows), group=torch.arange(rows) if group is None else torch.tensor(group))


def outputs(near, **more):
    """Vectors whose products are the matrix `near`."""
    rows = len(near)
    return {"first": torch.tensor(near), "second": torch.eye(rows), "scale": torch.ones(rows), **more}


def test_infonce_is_cross_entropy_in_both_directions():
    near = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    loss = Alignment(WRITES, FIELDS).loss(outputs(near.tolist()), batch(4))["infonce"]
    own = torch.arange(4)
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(loss, (cross_entropy(near, own) + cross_entropy(near.T, own)) / 2)


def test_siglip_judges_each_pair_by_itself():
    near = [[0.5, -1.0], [2.0, 0.0]]
    task = Alignment(WRITES, FIELDS, error="siglip")
    loss = task.loss(outputs(near, bias=torch.full((2,), -1.0)), batch(2))["siglip"]
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    told = [sigmoid(0.5 - 1), sigmoid(1.0 + 1), sigmoid(-2.0 + 1), sigmoid(0.0 - 1)]
    assert loss.item() == pytest.approx(-sum(map(math.log, told)) / 2)


@pytest.mark.parametrize("error", ["infonce", "siglip"])
def test_captions_of_one_picture_are_no_negatives(error):
    task = Alignment(WRITES, FIELDS, error=error)
    near = torch.zeros(3, 3)
    near[0, 1] = near[1, 0] = 5.0  # the two captions of one picture are near both times
    bias = {"bias": torch.zeros(3)} if error == "siglip" else {}
    apart = task.loss(outputs(near.tolist(), **bias), batch(3))[error]
    together = task.loss(outputs(near.tolist(), **bias), batch(3, group=[0, 0, 1]))[error]
    assert together < apart


def test_the_temperature_learns_and_stays_below_its_bound():
    task = Alignment(WRITES, FIELDS)
    with torch.no_grad():
        task.log_scale.fill_(10.0)
    found = task({name: Tokens.single(torch.randn(4, 3)) for name in FIELDS})
    assert found["scale"].max().item() == pytest.approx(HIGHEST)
    torch.autograd.backward(task.loss(found, batch(4))["infonce"])
    assert task.log_scale.grad.abs() > 0  # so that it can come back


def test_vectors_have_length_one_and_those_of_absent_fields_none():
    streams = {name: Tokens.single(torch.randn(3, 3), torch.tensor([True, True, False])) for name in FIELDS}
    task = Alignment(WRITES, FIELDS, width=6)
    found = task.predict(task(streams))
    np.testing.assert_allclose(np.linalg.norm(found["image"], axis=1), [1, 1, 0], atol=1e-6)
    assert found["text"].shape == (3, 6)


def test_what_is_equal_is_known_to_be_one_thing_wherever_it_stands():
    truth = Alignment(WRITES, FIELDS).truth(batch(4, content=[7, 8, 7, 9]))
    image = truth["image"].tolist()
    assert image[0] == image[2]
    assert len(set(image)) == 3


def test_padding_is_no_part_of_what_a_thing_is():
    short = Field(torch.tensor([[1, 2, 0]]), torch.tensor([True]), torch.tensor([[True, True, False]]))
    shorter = Field(torch.tensor([[1, 2]]), torch.tensor([True]))
    task, found = Alignment(WRITES, FIELDS), []
    for field in (short, shorter):
        given = Batch({"image": field, "text": field}, row=torch.zeros(1), group=torch.zeros(1))
        found.append(task.truth(given)["image"].tolist())
    assert found[0] == found[1]


def test_the_floor_is_chance():
    task, truth = Alignment(WRITES, FIELDS), Alignment(WRITES, FIELDS).truth(batch(20))
    floor = task.floor(truth, 20)
    assert task.metrics()["image_to_text_r5"](floor, truth) == pytest.approx(5 / 20)
    assert task.metrics()["text_to_image_median_rank"](floor, truth) == pytest.approx(10.5)


def test_two_different_fields_are_needed():
    with pytest.raises(BuildError, match=r"no 'sound'. Fields: image, text"):
        Alignment(WRITES, FIELDS, second="sound")
    with pytest.raises(BuildError, match="both name 'image'"):
        Alignment(WRITES, FIELDS, second="image")


@pytest.mark.parametrize("error", ["infonce", "siglip"])
def test_pairs_find_each_other_after_a_little_training(error):
    torch.manual_seed(0)
    task = Alignment(WRITES, FIELDS, error=error, width=8, hidden=16, temperature=0.1)
    streams = {name: Tokens.single(torch.randn(12, 3)) for name in FIELDS}
    optimizer = torch.optim.Adam(task.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(task(streams), batch(12))[error])
        optimizer.step()
    given = batch(12)
    assert task.metrics()["text_to_image_r1"](task.predict(task(streams)), task.truth(given)) > 0.9
