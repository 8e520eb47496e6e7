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
        self.square = nn.Linear(size, size)

    def each_task(self):
        return {}


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
    changed = Renamed("question", "tokens", then, now)
    found, unsure = follow(old.state_dict(), new, [changed])
    rows, before = found["encoders.text.weight"], old.encoders["text"].weight
    for number, name in enumerate(now):
        fresh = new.encoders["text"].weight[number]
        assert torch.equal(rows[number], before[then.index(name)] if name in then else fresh)
    assert torch.equal(found["encoders.image.weight"], old.encoders["image"].weight)
    assert unsure == []


def test_weights_that_have_two_axes_of_the_names_length_are_left_out():
    model = Model(5)  # as wide as there are tokens
    changed = Renamed("text", "tokens", tuple("abcde"), tuple("bacde"))
    found, unsure = follow(model.state_dict(), model, [changed])
    assert unsure == ["encoders.text.weight"]
    assert "encoders.text.weight" not in found


def test_what_has_not_changed_and_what_is_no_list_of_names_is_passed_over():
    then = {"classes": ("a", "b"), "counts": (1, 2), "separator": "|", "tags": (), "numbers": ("x", "y")}
    now = {"classes": ["a", "b"], "counts": (2, 2), "separator": ",", "tags": ("n", "v"), "numbers": ("y", "x")}
    assert [one.what for one in renamed("label", then, now)] == ["numbers"]
