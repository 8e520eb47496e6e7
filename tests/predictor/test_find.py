"""Search is exact, embeds each content once, and goes both ways."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from mmcore.cli import ask
from mmcore.errors import ConfigError, DataError
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.predictor import Finder, Predictor
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_modalities
from mmcore.testing.toys.kit import toy_entry_points
from tests.predictor.files import VectorFile
from tests.ranking import ranking

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"near": Part("toy_alignment", {"first": "sequence", "second": "vector"})},
)
QUERY = {"sequence": "it is not"}


def points(group):
    found = [point for point in toy_entry_points(group) if point.name != "vector"]
    files = EntryPoint("vector", "tests.predictor.files:VectorFile", group)
    return [*found, files] if group == "mmcore.modalities" else [*found, *ranking(group)]


@pytest.fixture
def things(tmp_path):
    """A folder of twelve files, two of them alike, one broken, one hidden."""
    folder, draw = tmp_path / "things", np.random.default_rng(0)
    (folder / "deep").mkdir(parents=True)
    for number in range(12):
        place = folder / "deep" if number % 3 == 0 else folder
        (place / f"{number}.txt").write_text(" ".join(f"{value:.3f}" for value in draw.normal(size=3)))
    (folder / "copy.txt").write_text((folder / "1.txt").read_text())
    (folder / "broken.txt").write_bytes(b"\xff no vector")
    (folder / ".hidden").write_text("1 2 3")
    return folder


@pytest.fixture
def load(tmp_path, things):
    """A model of PLAN, with these tasks in place of its own where they are given."""

    def loaded(**tasks):
        plugins, vector = Plugins.of(points), VectorFile()
        vector.fit(["1.txt"], things)
        modalities = {**toy_modalities(), "vector": vector}
        parts = {name: Part(name, {}) for name in modalities}
        plan = replace(PLAN, modalities=parts, tasks=tasks or PLAN.tasks)
        model, columns = assemble(plan, modalities, seed=0, plugins=plugins), {name: name for name in modalities}
        save_model(tmp_path / "model", model, plan=plan, modalities=modalities, columns=columns, plugins=plugins)
        return Predictor.load(tmp_path / "model", plugins)

    return loaded


@pytest.fixture
def finder(load, tmp_path):
    return Finder(load(), cache=tmp_path / "cache")


def test_what_is_found_is_what_comparing_all_by_hand_finds(finder, things):
    predictor = finder._predictor
    asked = predictor.predict([QUERY])[0]["near"]["sequence"]
    near = {
        path.name: float(np.dot(asked, predictor.predict([{"vector": str(path)}])[0]["near"]["vector"]))
        for path in things.rglob("*.txt")
        if path.name != "broken.txt"
    }

    found = finder.find(QUERY, things, top=5)

    assert [one.near for one in found] == pytest.approx(sorted(near.values(), reverse=True)[:5], abs=1e-5)
    assert {one.name.split("/")[-1] for one in found} <= set(near)
    assert finder.broken == 1


def test_files_are_named_by_their_place_and_hidden_ones_left_out(finder, things):
    names = {found.name for found in finder.find(QUERY, things, top=99)}

    assert {"deep/0.txt", "1.txt", "copy.txt"} <= names
    assert len(names) == 13


def test_a_file_finds_texts(finder, things, tmp_path):
    (tmp_path / "texts.txt").write_text("it is\n\nnot left\nit is\nthe one\n")

    found = finder.find({"vector": str(things / "1.txt")}, tmp_path / "texts.txt")

    assert {one.name for one in found} == {"it is", "not left", "the one"}
    assert found == sorted(found, key=lambda one: -one.near)


def read_in(finder, folder):
    VectorFile.reads = 0
    found = finder.find(QUERY, folder, top=99)
    return VectorFile.reads, {one.name: one.near for one in found}


def test_each_content_is_embedded_once_also_after_a_move(finder, things):
    first, before = read_in(finder, things)
    again, same = read_in(finder, things)
    (things / "2.txt").rename(things / "deep" / "moved.txt")
    moved, after = read_in(finder, things)

    assert (first, again, moved) == (13, 0, 0)  # copies share one, and what is broken stays so
    assert same == before
    assert after["deep/moved.txt"] == before["2.txt"]
    assert "2.txt" not in after


def test_a_changed_file_is_embedded_anew(finder, things):
    _, before = read_in(finder, things)
    (things / "2.txt").write_text("9 -9 9")
    count, after = read_in(finder, things)

    assert count == 1
    assert after["2.txt"] != before["2.txt"]
    assert {name: near for name, near in after.items() if name != "2.txt"}.items() <= before.items()


def test_a_file_that_moves_while_it_is_looked_at_is_found_the_next_time(finder, things, monkeypatch):
    read = VectorFile.read

    def moving(self, cell, base):
        if cell.endswith("2.txt") and (things / "2.txt").exists():
            (things / "2.txt").rename(things / "moved.txt")
        return read(self, cell, base)

    with monkeypatch.context() as patched:
        patched.setattr(VectorFile, "read", moving)
        _, during = read_in(finder, things)
    broken = finder.broken
    count, after = read_in(finder, things)

    assert len(during) == 12
    assert broken == 2
    assert (count, len(after)) == (1, 13)  # the broken file is known by now, and not read again


def test_a_file_that_is_gone_before_it_is_looked_at_is_counted(finder, things, monkeypatch):
    is_file = Path.is_file

    def and_gone(path):
        there = is_file(path)
        if path.name == "2.txt":
            path.unlink(missing_ok=True)
        return there

    monkeypatch.setattr(Path, "is_file", and_gone)
    _, found = read_in(finder, things)

    assert len(found) == 12
    assert finder.broken == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept.write_bytes(kept.read_bytes()[:-3]),
        lambda kept: np.save(kept, np.zeros((13, 4))),
        lambda kept: kept.write_bytes(b""),
    ],
)
def test_a_damaged_cache_is_made_anew(finder, things, tmp_path, damage):
    _, before = read_in(finder, things)
    (kept,) = (tmp_path / "cache").rglob("vectors.npy")
    damage(kept)

    count, after = read_in(finder, things)

    assert count == 13
    assert after == before


def test_a_cache_that_cannot_be_made_costs_no_answer(finder, things, tmp_path, monkeypatch, capsys):
    _, before = read_in(finder, things)
    assert finder.unkept == ""
    (tmp_path / "file").write_text("no folder")
    unkept = Finder(finder._predictor, cache=tmp_path / "file")

    assert read_in(unkept, things) == (13, before)
    assert "file" in unkept.unkept
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: finder._predictor)
    monkeypatch.setattr(ask, "Finder", lambda predictor, task: unkept)
    ask.search(things, ["it", "is", "not"], within=things, top=2)
    assert "not kept for the next search" in capsys.readouterr().err


@pytest.mark.parametrize("top", [0, -1])
def test_fewer_than_one_cannot_be_asked_for(finder, things, top):
    with pytest.raises(ConfigError, match=f"top must be at least 1 but got {top}"):
        finder.find(QUERY, things, top=top)


def test_texts_that_are_not_utf_8_are_told_by_name(finder, things, tmp_path):
    (tmp_path / "texts.txt").write_bytes("it is\ncaf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match="it is not UTF-8") as caught:
        finder.find({"vector": str(things / "1.txt")}, tmp_path / "texts.txt")
    assert Path(caught.value.path).name == "texts.txt"


def test_a_folder_of_nothing_is_told(finder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="nothing in it that can be read as 'vector'"):
        finder.find(QUERY, tmp_path / "empty")


def test_a_place_of_the_wrong_kind_is_told(finder, things):
    with pytest.raises(DataError, match="to look for 'vector', name a folder"):
        finder.find(QUERY, things / "1.txt")
    with pytest.raises(DataError, match="to look for 'sequence', name a text file"):
        finder.find({"vector": str(things / "1.txt")}, things)


def test_a_place_that_is_not_there_is_told(finder, things):
    with pytest.raises(DataError, match="there is no such folder or file to look in") as caught:
        finder.find(QUERY, things / "nowhere")
    assert Path(caught.value.path).name == "nowhere"


def test_a_model_that_aligns_nothing_cannot_find(predictor):
    with pytest.raises(ConfigError, match=r"nothing in this model aligns two fields.*Its tasks: answer"):
        Finder(predictor)


@pytest.mark.parametrize("name", ["a", "z"])
def test_a_coupled_task_beside_the_one_that_aligns_is_not_taken_for_it(load, things, tmp_path, name):
    alone = Finder(load(), cache=tmp_path / "cache").find(QUERY, things)
    both = load(**PLAN.tasks, **{name: Part("ranking", {})})

    assert Finder(both, cache=tmp_path / "cache").find(QUERY, things) == alone


@pytest.mark.parametrize("targets", [["label"], ["label", "vector"], ["sequence", "vector"], ["vector", "vector"]])
def test_a_coupled_task_that_gives_no_vectors_of_two_fields_cannot_find(load, targets):
    with pytest.raises(ConfigError, match=r"nothing in this model aligns two fields.*Its tasks: order"):
        Finder(load(order=Part("ranking", {"targets": targets})))


def test_the_command_prints_names_with_how_near_they_are(finder, things, monkeypatch, capsys):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: finder._predictor)
    monkeypatch.setattr(ask, "Finder", lambda predictor, task: finder)

    ask.search(things, ["it", "is", "not"], within=things, top=2)

    out, err = capsys.readouterr()
    best = finder.find(QUERY, things, top=2)
    assert out.splitlines() == [f"{one.near:.3f}  {one.name}" for one in best]
    assert "1 in" in err


def test_for_programs_the_hits_are_one_object(finder, things, monkeypatch, capsys):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: finder._predictor)
    monkeypatch.setattr(ask, "Finder", lambda predictor, task: finder)

    ask.search(things, ["it", "is", "not"], within=things, top=2, as_json=True)

    best = finder.find(QUERY, things, top=2)
    told = json.loads(capsys.readouterr().out)
    assert told == {"found": [{"name": one.name, "near": one.near} for one in best], "broken": 1}


def test_a_name_that_is_no_field_is_told_with_the_fields_that_are_aligned(finder, things, monkeypatch):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: finder._predictor)
    monkeypatch.setattr(ask, "Finder", lambda predictor, task: finder)

    with pytest.raises(ConfigError, match=r"--foto is no field .* Fields: --.*, --.*\. Options: --in"):
        ask.search(things, ["it", "--foto"], within=things, top=2, options=["--in"])
