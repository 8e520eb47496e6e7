"""A model may align one field with several: what is asked by says which task finds, or the user does."""

from pathlib import Path

import pytest

from mmcore.errors import ConfigError
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.predictor import Finder, Predictor
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_modalities, toy_plugins

SEEN, HEARD, WORDS = {"seen": "it is"}, {"heard": "not left"}, {"words": "the one"}
FIELDS = ("seen", "heard", "words")
PLAN = ModelPlan(
    modalities={name: Part("sequence", {}) for name in FIELDS},
    encoders={name: EncoderPlan(Part("causal_gru", {})) for name in FIELDS},
    fusion=Part("toy_concat", {}),
    tasks={
        "by_ear": Part("toy_alignment", {"first": "words", "second": "heard"}),
        "by_eye": Part("toy_alignment", {"first": "words", "second": "seen"}),
    },
)


@pytest.fixture
def predictor(tmp_path):
    modalities, plugins = dict.fromkeys(FIELDS, toy_modalities()["sequence"]), toy_plugins()
    model, columns = assemble(PLAN, modalities, seed=0, plugins=plugins), {name: name for name in FIELDS}
    save_model(tmp_path / "model", model, plan=PLAN, modalities=modalities, columns=columns, plugins=plugins)
    return Predictor.load(tmp_path / "model", plugins)


@pytest.fixture
def lines(tmp_path):
    path = Path(tmp_path / "lines.txt")
    path.write_text("it is\nnot left\nthe one\n")
    return path


def near(found):
    return {one.name: pytest.approx(one.near, abs=1e-5) for one in found}


def by_hand(predictor, task, asked, wanted, lines):
    (field,) = asked
    told = predictor.predict([asked, *({wanted: line} for line in lines.read_text().splitlines())])
    vectors = [told[0][task][field], *(row[task][wanted] for row in told[1:])]
    products = [float(sum(a * b for a, b in zip(vectors[0], other, strict=True))) for other in vectors[1:]]
    return dict(zip(lines.read_text().splitlines(), products, strict=True))


@pytest.mark.parametrize(("asked", "task"), [(SEEN, "by_eye"), (HEARD, "by_ear")])
def test_the_task_is_the_one_that_aligns_what_is_asked_by(predictor, lines, tmp_path, asked, task):
    found = Finder(predictor, cache=tmp_path / "cache").find(asked, lines)

    assert near(found) == by_hand(predictor, task, asked, "words", lines)


def test_several_tasks_that_align_it_are_named_with_what_each_finds(predictor, lines, tmp_path):
    several = Finder(predictor, cache=tmp_path / "cache")

    with pytest.raises(ConfigError, match=r"--task by_ear finds 'heard', --task by_eye finds 'seen'"):
        several.find(WORDS, lines)


@pytest.mark.parametrize(("task", "wanted"), [("by_eye", "seen"), ("by_ear", "heard")])
def test_a_named_task_finds_and_keeps_its_vectors_apart(predictor, lines, tmp_path, task, wanted):
    other = "by_ear" if task == "by_eye" else "by_eye"
    Finder(predictor, task=other, cache=tmp_path / "cache").find(WORDS, lines)

    found = Finder(predictor, task=task, cache=tmp_path / "cache").find(WORDS, lines)

    assert near(found) == by_hand(predictor, task, WORDS, wanted, lines)


def test_what_two_tasks_say_of_the_same_lines_is_kept_apart(predictor, lines, tmp_path):
    """Both look among words, each in a space of its own."""
    finder = Finder(predictor, cache=tmp_path / "cache")
    finder.find(SEEN, lines)

    assert near(finder.find(HEARD, lines)) == by_hand(predictor, "by_ear", HEARD, "words", lines)


def test_a_task_that_aligns_nothing_is_told_with_those_that_do(predictor):
    with pytest.raises(ConfigError, match=r"'by_nose' is no task .*: those are by_ear, by_eye\."):
        Finder(predictor, task="by_nose")
