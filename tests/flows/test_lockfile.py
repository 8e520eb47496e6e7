"""Entries put into dvc.lock: the bytes that DVC writes, or None where it has to do it itself."""

from contextlib import closing

import pytest
from dvc.utils.serialize import dumps_yaml, modify_yaml

from flows.graph import Graph
from flows.lockfile import put_entry
from flows.stop import Stop

ENTRY = {
    "cmd": "cp in.txt out",
    "deps": [{"path": "in.txt", "hash": "md5", "md5": "0a" * 16, "size": 4}],
    "params": {"params.yaml": {"training.lr": 0.002, "fields": {"text": {"column": None, "words": ["a", "猫"]}}}},
    "outs": [{"path": "out", "hash": "md5", "md5": "1b" * 16 + ".dir", "size": 8, "nfiles": 2}],
}
LONG = "python -m something " + " ".join(f"--option-{number} value-{number}" for number in range(20))
OTHERS = [
    {**ENTRY, "cmd": LONG},
    {**ENTRY, "cmd": ["first", "second one: with a colon"]},
    {**ENTRY, "cmd": "one\ntwo\n\n  indented\n"},
    {**ENTRY, "params": {"params.yaml": {"empty": {}, "none": [], "text": "", "number": "12", "yes": True}}},
    {**ENTRY, "params": {"params.yaml": {"lr": 1e-05, "words": ["yes", "1e3", "0o7"]}}},
]


def by_dvc(path, name, entry):
    """What dvc.dvcfile.Lockfile.dump_stages does."""
    with modify_yaml(path) as data:
        if not data:
            data.update({"schema": "2.0"})
        data["stages"] = data.get("stages", {})
        data["stages"].update({name: entry})
    return path.read_text(encoding="utf-8")


def block(name, entry):
    return dumps_yaml({"stages": {name: entry}})


@pytest.mark.parametrize("name", ["first", "middle@text", "last-one", "new", "fields@1", "10"])
@pytest.mark.parametrize("entry", OTHERS)
def test_an_entry_is_put_as_dvc_puts_it(tmp_path, name, entry):
    path = tmp_path / "dvc.lock"
    for number, known in enumerate(["first", "middle@text", "last-one"]):
        before = by_dvc(path, known, OTHERS[number])
    assert put_entry(before, name, block(name, entry)) == by_dvc(path, name, entry)


def test_the_first_entry_makes_the_file(tmp_path):
    assert put_entry("", "only", block("only", ENTRY)) == by_dvc(tmp_path / "dvc.lock", "only", ENTRY)


def test_the_same_entry_changes_nothing(tmp_path):
    before = by_dvc(tmp_path / "dvc.lock", "one", ENTRY)
    assert put_entry(before, "one", block("one", ENTRY)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("  one:", "  # said by hand\n  one:"),
        lambda text: text.replace("  one:", '  "one":'),
        lambda text: text.replace("schema: '2.0'", 'schema: "2.0"'),
        lambda text: text + "datasets:\n- name: photos\n",
        lambda text: "schema: '2.0'\nstages:\n    one: {cmd: ls}\n",
        lambda text: "<<<<<<< HEAD\n" + text,
        lambda text: text.replace("    cmd", "   cmd"),
    ],
)
def test_a_file_that_is_laid_out_otherwise_is_left_to_dvc(tmp_path, change):
    before = by_dvc(tmp_path / "dvc.lock", "one", ENTRY)
    assert change(before) != before
    assert put_entry(change(before), "one", block("one", {**ENTRY, "cmd": "other"})) is None


def test_what_may_be_a_comment_is_left_to_dvc():
    assert put_entry("", "one", block("one", {**ENTRY, "cmd": "a # b"})) is None


def test_a_lock_file_with_a_comment_is_written_all_the_same(project):
    project.stages(copy={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
    for text in ("one", "two"):
        project.write("in.txt", text)
        with closing(Graph()) as graph:
            assert graph.run("copy", lambda line: None, stop=Stop()).status.good
        assert project.status() == {}
        project.write("dvc.lock", "# by hand\n" + project.read("dvc.lock"))
    assert project.status() == {}
