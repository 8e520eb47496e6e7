import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmcore.model.renamed import Renamed, follow, renamed

NAMES = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6)


class Model(nn.Module):
    """What `follow` looks at of a model: an embedding of `size` tokens, and what only looks like one."""

    owners = {"text": "text", "question": "text"}

    def __init__(self, size):
        super().__init__()
        self.encoders = nn.ModuleDict({"text": nn.Embedding(size, 5), "image": nn.Linear(2, size)})
        self.encoders["text"].by_number = ("hashed",)
        self.encoders["text"].register_buffer("hashed", torch.rand(4))
        self.square = nn.Linear(size, size)

    def each_task(self):
        return {}

    def encoder(self, name):
        return self.encoders[self.owners[name]]


@given(NAMES, NAMES)
def test_a_name_that_both_have_once_has_its_place_in_both(then, now):
    places = Renamed("text", "tokens", then, now).places()
    assert all(then[old] == now[new] for old, new in places)
    known = {new for _, new in places}
    assert all(new in known for new, name in enumerate(now) if then.count(name) == now.count(name) == 1)


@pytest.mark.parametrize("now", [("b", "a", "c"), ("new", "a", "b", "c"), ("c", "b")])
def test_each_row_of_an_embedding_stays_with_its_token(now):
    then = ("a", "b", "c")
    old, new = Model(len(then)), Model(len(now))
    both = [Renamed(field, "tokens", then, now) for field in Model.owners]  # which share one encoder
    found, unsure = follow(old.state_dict(), new, both)
    rows, before = found["encoders.text.weight"], old.encoders["text"].weight
    for number, name in enumerate(now):
        fresh = new.encoders["text"].weight[number]
        assert torch.equal(rows[number], before[then.index(name)] if name in then else fresh)
    assert torch.equal(found["encoders.image.weight"], old.encoders["image"].weight)
    assert unsure == ["encoders.text.hashed"]
    assert "encoders.text.hashed" not in found


def test_weights_that_have_two_axes_of_the_names_length_are_left_out():
    model = Model(5)  # as wide as there are tokens
    changed = Renamed("text", "tokens", tuple("abcde"), tuple("bacde"))
    found, unsure = follow(model.state_dict(), model, [changed])
    assert unsure == ["encoders.text.hashed", "encoders.text.weight"]
    assert "encoders.text.weight" not in found


def test_new_names_behind_the_others_leave_what_hangs_on_numbers():
    old, new = Model(2), Model(3)
    found, unsure = follow(old.state_dict(), new, [Renamed("text", "tokens", ("a", "b"), ("a", "b", "c"))])
    assert unsure == []
    assert torch.equal(found["encoders.text.hashed"], old.encoders["text"].hashed)


class Told:
    """A modality as far as `renamed` looks at it."""

    def __init__(self, numbered, **facts):
        self.numbered, self._facts = numbered, facts

    def facts(self):
        return self._facts


def test_what_has_not_changed_and_what_is_no_list_of_learned_names_is_passed_over():
    then = Told(("classes", "codes"), classes=("a", "b"), codes=("x", "y"), columns=("p", "q"))
    now = Told(("classes", "codes"), classes=["a", "b"], codes=("y", "x"), columns=("q", "p"))
    assert renamed("label", then, now) == [Renamed("label", "codes", ("x", "y"), ("y", "x"))]
    assert renamed("label", Told((), classes=("b",)), Told(("classes",), classes=("a",))) == []
