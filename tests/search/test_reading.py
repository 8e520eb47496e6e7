import itertools

import pytest

from mmcore.errors import MmcoreError
from mmcore.interfaces.settings import Range
from mmcore.registry.plugins import installed
from mmcore.search.declared import declared_space
from mmcore.search.ranges import range_of
from mmcore.search.reading import read_space

BASE = {
    "fields": {
        "image": {"encoder": {"name": "cnn", "widths": [32, 64], "strides": [1, 2], "kernel": 3}, "column": "image"},
    },
    "fusion": {"name": "film", "guide": "question", "pool": "max"},
    "tasks": {"answer": {"name": "classification", "target": "answer", "dropout": 0.0}},
    "training": {"lr": 0.002, "epochs": 6, "schedule": "cosine", "monitor": "answer/accuracy", "warmup": 0.1},
    "data": {"limit": None},
}
SHIPPED = {"concat": {"name": "concat", "width": 128, "pool": "mean"}, "film": BASE["fusion"]}


def settle(changes):
    """As `mm compose` fills a part up, without one."""
    values = {**BASE}
    for key, value in changes.items():
        if key == "fusion":
            if value["name"] not in SHIPPED:
                raise MmcoreError(f"There is no fusion {value['name']!r}.")
            values["fusion"] = {**SHIPPED[value["name"]], **value}
    return values


def read(space):
    return read_space(space, BASE, settle=settle, declared=lambda key, part: {"width": {"low": 8, "high": 64}})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "nothing to search"),
        ({"training.learning_rate": {"low": 0.1, "high": 1}}, "no 'training.learning_rate'.*there is: epochs, lr"),
        ({"trainin.lr": {"low": 0.1, "high": 1}}, "no 'trainin'. Did you mean 'training'"),
        ({"training.lr": {"low": 1, "high": 0.1}}, "training.lr is an empty range: from 1 to 0.1"),
        ({"training.schedule": {"choices": []}}, "no choices: an empty range"),
        ({"training.schedule": ["cosine", "cosine"]}, "a choice twice"),
        ({"training.lr": {"low": 0, "high": 1, "log": True}}, "steps by factors, so `low` must be above 0"),
        ({"training.lr": {"low": 0.1}}, "lacks high"),
        ({"training.lr": {"low": "a", "high": 1}}, "training.lr.low must be a number but got 'a'"),
        ({"training.lr": {"lo": 0.1, "high": 1}}, "has 'lo'. Did you mean 'low'"),
        ({"training.lr": 0.1}, "wants a range"),
        ({"training.lr": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "more than one of log, factor and step"),
        ({"training.lr": {"low": 0.1, "high": 1, "step": 0}}, "step must be above 0"),
        ({"training.lr": {"low": 0.1, "high": 1, "factor": True}}, "for whole numbers"),
        ({"training.lr": {"choices": [0.1], "low": 1}}, "choices and low"),
        ({"training.lr": {"length": 2, "low": 1, "high": 2}}, "no list, so it has no length"),
        ({"training": {"low": 1, "high": 2}}, "has settings below it"),
        ({"data.limit": [10, 20]}, "data.limit cannot be searched: it decides which rows there are"),
        ({"training.monitor": ["a/b"]}, "training.monitor cannot be searched"),
        ({"tasks.answer.target": ["a"]}, "cannot be searched"),
        ({"pretrain.runs.first.lr": [0.1]}, "cannot be searched: `mm compose` writes it, from training and"),
        ({"pretrain.start": ["a"]}, "cannot be searched: `mm compose` writes it"),
        ({"verdict.looks": [1, 2]}, "cannot be searched: it decides what is released"),
        ({"release.keep": [1, 2]}, "cannot be searched: it decides what is released"),
        ({"fields.image.column": ["a"]}, "fields.image.column cannot be searched"),
        ({"fusion": {"low": 1, "high": 2}}, "fusion chooses a plugin, so it wants `choices`"),
        ({"fusion": ["film", "blend"]}, "no fusion 'blend'"),
        ({"fusion": {"choices": {"concat": {"depth": {"low": 1, "high": 2}}}}}, r"no 'fusion \(concat\).depth'"),
        ({"fusion": {"choices": {"concat": 3}}}, "wants settings and ranges"),
        ({"training.lr": {"low": 0.1, "high": 1, "when": {"training.warmup": 0.1}},
          "training.warmup": {"low": 0.1, "high": 1, "when": {"training.lr": 0.1}}}, "wait for each other"),
        ({"fields.image.encoder.strides": {"length": "fields.image.encoder.width", "choices": [1, 2]}},
         "as long as 'fields.image.encoder.width', which is no list"),
        ({"fields.image.encoder.widths": {"length": [0, 2], "low": 8, "high": 16}}, "at least 1 item"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_space_is_named(space, message):
    with pytest.raises(MmcoreError, match=message):
        read(space)


class First:
    """Draws the lowest number and the option that is asked for."""

    def __init__(self, **options):
        self._options = options

    def number(self, name, range_):
        return range_.low

    def choice(self, name, options):
        return self._options.get(name, options[0])


def test_a_plugin_brings_its_own_ranges_and_only_when_it_is_chosen():
    space = read({"fusion": {"choices": {"film": {}, "concat": {"pool": "max", "width": {"low": 32, "high": 64}}}}})
    assert space.draw(First(fusion="film")).changes == {"fusion": BASE["fusion"]}
    concat = space.draw(First(fusion="concat"))
    assert concat.changes == {"fusion": {"name": "concat", "pool": "max"}, "fusion.width": 32}
    assert concat.named == {"fusion": "concat", "fusion[concat].width": 32}


def test_declared_asks_the_plugin_itself():
    space = read({"fusion": {"choices": {"concat": "declared"}}})
    assert space.draw(First()).changes["fusion.width"] == 8


def test_lists_grow_together():
    widths, strides = "fields.image.encoder.widths", "fields.image.encoder.strides"
    space = read({strides: {"length": widths, "choices": [1, 2]}, widths: {"length": [3, 4], "low": 8, "high": 64}})
    changes = space.draw(First()).changes
    assert changes == {widths: [8, 8, 8], strides: [1, 1, 1]}


def test_a_condition_looks_at_what_is_searched_and_at_what_is_not():
    space = read({
        "training.schedule": ["cosine", "constant"],
        "training.warmup": {"low": 0.0, "high": 0.2, "when": {"training.schedule": "cosine"}},
        "training.lr": {"low": 0.1, "high": 1.0, "when": {"fusion": ["concat", "sum"]}},
    })  # fmt: skip
    assert set(space.draw(First()).changes) == {"training.schedule", "training.warmup"}
    assert set(space.draw(First(**{"training.schedule": "constant"})).changes) == {"training.schedule"}


def test_the_present_settings_are_found_in_the_space_unless_they_lie_outside():
    inside = read({"training.lr": {"low": 0.001, "high": 0.1}, "fusion": ["film", "concat"]})
    assert inside.present is not None
    assert inside.present.named == {"training.lr": 0.002, "fusion": "film"}
    assert read({"training.lr": {"low": 0.01, "high": 0.1}}).present is None
    assert read({"fusion": ["concat"]}).present is None
    assert inside.outside() == {}
    outside = read({"training.lr": {"low": 0.01, "high": 0.1}, "training.epochs": [3, 4], "fusion": ["concat"]})
    assert outside.outside() == {"training.lr": 0.002, "training.epochs": 6, "fusion": "film"}


def test_a_grid_goes_through_every_point_once_conditions_included():
    space = read({
        "training.epochs": {"low": 1, "high": 2},
        "fusion": {"choices": {"film": {}, "concat": {"width": {"low": 32, "high": 128, "factor": True}}}},
    })  # fmt: skip
    points = [tuple(point.named.items()) for point in space.points()]
    assert len(points) == len(set(points)) == space.size() == 2 * (1 + 3)
    assert not space.endless
    widths = [dict(point)["fusion[concat].width"] for point in points if len(point) == 3]
    assert widths == [32, 64, 128, 32, 64, 128]


@pytest.mark.parametrize(
    ("mark", "value", "expected"),
    [
        (Range(1, soft_high=512, log=True), 64, {"low": 1, "high": 512, "factor": True}),
        (Range(0, soft_high=0.1, log=True), 0.01, {"low": 1e-5, "high": 0.1, "log": True}),
        (Range(0, 0.9), 0.1, {"low": 0.0, "high": 0.9, "log": False}),
        (Range(1, 8), 2, {"low": 1, "high": 8, "step": 1}),
        (Range(0, soft_high=1024), 64, {"low": 0, "high": 1024, "step": 64}),
        (Range(1, 64, soft_low=2, soft_high=8, log=True), 4, {"low": 2, "high": 8, "factor": True}),
        (Range(1, 31, soft_high=7, step=2), 3, {"low": 1, "high": 7, "step": 2}),
        (Range(1), 1, None),
        (Range(0, 1), None, None),
    ],
)
def test_a_declared_range_becomes_one_that_can_be_searched(mark, value, expected):
    assert range_of(mark, value) == expected


@pytest.mark.parametrize(
    ("mark", "values", "expected"),
    [
        (Range(1, soft_low=1024, soft_high=1 << 20, log=True), [20_000], {"low": 1024, "high": 1 << 20, "log": True}),
        (Range(1, soft_low=16, soft_high=256, log=True), [32, 96], {"low": 16, "high": 256, "step": 16}),
        (Range(1, 64, soft_high=8, log=True), [16], {"low": 1, "high": 16, "factor": True}),
        (Range(1, soft_low=16, soft_high=512, log=True), [8], {"low": 8, "high": 512, "factor": True}),
        (Range(0, soft_high=1024), [100], {"low": 0, "high": 1024, "step": 4}),
        (Range(0, soft_high=0.1, log=True), [1e-6, 0.5], {"low": 1e-6, "high": 0.5, "log": True}),
    ],
)
def test_a_declared_range_holds_the_values_that_are_there(mark, values, expected):
    assert range_of(mark, *values) == expected


@pytest.mark.parametrize(
    ("mark", "values", "low"),
    [
        (Range(0, 1, log=True), [0.0], 1e-4),
        (Range(0, 1, log=True, soft_low=1e-3), [0.0], 1e-3),
        (Range(0, 1, log=True, soft_low=1e-3), [0.0, 1e-5], 1e-5),
        (Range(0, 1, log=True, soft_low=0.0), [0.0], 1e-4),
    ],
)
def test_a_range_by_factors_does_not_reach_to_0_and_begins_where_it_says(mark, values, low):
    assert range_of(mark, *values) == {"low": low, "high": 1.0, "log": True}


def test_a_declared_range_of_numbers_is_not_one_of_whole_numbers_where_a_0_is_written(project):
    project.compose("fields.numbers.encoder.dropout=0.0")
    found = declared_space(project.values, plugins=installed())
    project.compose("fields.numbers.encoder.dropout=0")
    assert declared_space(project.values, plugins=installed()) == found
    assert found["fields.numbers.encoder.dropout"]["high"] > 0


@pytest.mark.parametrize("which", ["low", "high"])
def test_every_declared_range_of_the_chosen_plugins_is_one_that_the_plugins_take(project, which):
    plan = project.plan(space={})
    names = set(plan.space.described())
    assert {"fields.numbers.encoder.widths", "fields.numbers.encoder.dropout", "fusion.width", "training.lr"} <= names
    assert not any(name.startswith("fields.numbers.modality") for name in names)
    assert plan.space.present is not None
    assert "training.epochs" not in declared_space(project.values, plugins=installed())
    for values in itertools.islice(plan.ends(), 2):
        assert values["fusion"]["width"] in (8, 1024)
