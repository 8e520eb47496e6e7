"""What DVC's cache holds is not always what was put there: a full disk or a power cut leaves objects empty or short."""

import hashlib
import json
import shutil
from contextlib import closing
from types import SimpleNamespace

import pytest
import yaml
from dvc.repo import Repo

import flows.damaged
from flows.damaged import drop_damaged
from flows.graph import Graph
from flows.outcome import Status
from flows.stop import Stop

COPY = {"cmd": "echo x >> count; cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
FOLDER = {"cmd": "mkdir out; cp in.txt out/a; echo more > out/b", "deps": ["in.txt"], "outs": ["out"]}


def run(*, force=False):
    """The one stage. Gives its status, and what was told."""
    lines = []
    with closing(Graph()) as graph:
        (name,) = graph.needs
        return graph.run(name, lines.append, stop=Stop(), force=force).status, lines


def object_of(project, content):
    digest = hashlib.md5(content).hexdigest()
    return project.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]


def damage(path, content=b""):
    """As a crash leaves it: read-only already."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


@pytest.mark.parametrize("content", [b"", b"on", b"one\none\n"])
def test_a_damaged_output_is_made_anew_and_not_restored(project, content):
    project.stages(copy=COPY)
    run()
    kept = object_of(project, b"one\n")
    damage(kept, content)
    (project.root / "out.txt").unlink()
    status, lines = run()
    assert status is Status.RAN
    assert f"out.txt is damaged in DVC's cache ({kept})" in lines[0]
    assert project.read("out.txt") == "one\n"
    assert kept.read_bytes() == b"one\n"
    assert project.status() == {}


def test_a_damaged_output_of_an_earlier_run_is_made_anew(project):
    project.stages(copy=COPY)
    run()
    project.write("in.txt", "two\n")
    run()
    damage(object_of(project, b"one\n"))
    project.write("in.txt", "one\n")
    assert run()[0] is Status.RAN
    assert project.read("out.txt") == "one\n"


def test_a_damaged_object_is_not_put_over_what_was_made_anew(project):
    project.stages(copy=COPY)
    run()
    damage(object_of(project, b"one\n"))
    assert run(force=True)[0] is Status.RAN
    assert project.read("out.txt") == "one\n"
    assert object_of(project, b"one\n").read_bytes() == b"one\n"


def test_a_damaged_metric_that_git_keeps_is_made_anew(project):
    project.stages(copy={"cmd": COPY["cmd"], "deps": ["in.txt"], "metrics": [{"out.txt": {"cache": False}}]})
    run()
    damage(object_of(project, b"one\n"))
    (project.root / "out.txt").unlink()
    assert run()[0] is Status.RAN
    assert project.read("out.txt") == "one\n"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("content", [b"one\n", b"more\n"])
def test_a_damaged_file_of_a_folder_is_made_anew(project, content, force):
    project.stages(make=FOLDER)
    run()
    damage(object_of(project, content), content[:2])
    shutil.rmtree(project.root / "out")
    assert run(force=force)[0] is Status.RAN
    assert (project.read("out/a"), project.read("out/b")) == ("one\n", "more\n")
    shutil.rmtree(project.root / "out")
    assert run()[0] is Status.RESTORED
    assert (project.read("out/a"), project.read("out/b")) == ("one\n", "more\n")


def test_a_damaged_list_of_a_folders_files_is_made_anew(project):
    project.stages(make=FOLDER)
    run()
    (listing,) = (project.root / ".dvc" / "cache").rglob("*.dir")
    damage(listing, b"[]")
    shutil.rmtree(project.root / "out")
    assert run()[0] is Status.RAN
    assert (project.read("out/a"), project.read("out/b")) == ("one\n", "more\n")
    assert json.loads(listing.read_text()) != []


@pytest.mark.parametrize(("stage", "content"), [(COPY, b"one\n"), (FOLDER, b"one\n")], ids=["file", "folder"])
def test_a_whole_object_is_spared_where_a_wrong_size_was_noted(project, stage, content):
    project.stages(make=stage)
    run()
    before = object_of(project, content).stat()
    out = project.root / stage["outs"][0]
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    *others, noted = project.read("dvc.lock").rpartition("size: ")
    project.write("dvc.lock", "".join([*others, "7", noted[1:]]))
    status, lines = run()
    assert (status, lines) == (Status.RESTORED, [])
    assert object_of(project, content).stat().st_ino == before.st_ino


def test_an_object_of_dvc_2_is_spared_whose_hash_leaves_out_line_ends(project):
    project.write("in.txt", "one\r\n")
    project.stages(copy=COPY)
    run()
    (project.root / "out.txt").unlink()
    digest = hashlib.md5(b"one\n").hexdigest()
    kept = project.write(f".dvc/cache/{digest[:2]}/{digest[2:]}", "one\r\n")
    kept.chmod(0o444)
    lock = yaml.safe_load(project.read("dvc.lock"))
    lock["stages"]["copy"]["outs"] = [{"path": "out.txt", "md5": digest, "size": 4}]
    project.write("dvc.lock", yaml.safe_dump(lock))
    status, lines = run()
    assert (status, lines) == (Status.RESTORED, [])
    assert kept.exists()


def test_an_output_elsewhere_is_left_alone():
    elsewhere = SimpleNamespace(hash_info=True, is_in_repo=False, hash_name="md5")
    assert drop_damaged([elsewhere], print) == []


def test_an_empty_object_is_damaged_also_where_the_sizes_of_its_folder_add_up(project):
    project.stages(make=FOLDER)
    run()
    damage(object_of(project, b"one\n"))
    damage(object_of(project, b"more\n"), b"more\nmor\n")
    shutil.rmtree(project.root / "out")
    assert run()[0] is Status.RAN
    assert (project.read("out/a"), project.read("out/b")) == ("one\n", "more\n")


def test_an_output_that_is_meant_to_be_empty_is_restored(project):
    project.stages(copy={**COPY, "cmd": "touch out.txt"})
    run()
    (project.root / "out.txt").unlink()
    assert run()[0] is Status.RESTORED


def test_a_damaged_object_that_another_run_has_dropped_meanwhile_is_no_matter(project, monkeypatch):
    def overtaken(path):
        path.unlink()
        return "another"

    project.stages(copy=COPY)
    run()
    damage(object_of(project, b"one\n"))
    (project.root / "out.txt").unlink()
    monkeypatch.setattr(flows.damaged, "digest_of", overtaken)
    assert run()[0] is Status.RAN
    assert object_of(project, b"one\n").read_bytes() == b"one\n"


@pytest.fixture
def remote(project, tmp_path):
    """One of the project, that outputs are fetched from."""
    far = tmp_path / "far"
    project.write(".dvc/config", f"[core]\n    remote = far\n['remote \"far\"']\n    url = {far}\n")
    return far


def push():
    with Repo() as repo:
        repo.push(run_cache=True)


def test_a_damaged_output_is_fetched_where_a_remote_has_it_whole(project, remote, monkeypatch):
    monkeypatch.setenv("MM_PULL", "1")
    project.stages(copy=COPY)
    run()
    push()
    damage(object_of(project, b"one\n"), b"on")
    (project.root / "out.txt").unlink()
    assert run()[0] is Status.RESTORED
    assert project.read("out.txt") == "one\n"


def test_an_output_that_a_remote_has_damaged_is_made_anew_and_told_with_what_mends_it(project, remote, monkeypatch):
    monkeypatch.setenv("MM_PULL", "1")
    project.stages(copy=COPY)
    run()
    kept = object_of(project, b"one\n")
    damage(kept, b"on")
    push()
    (project.root / "out.txt").unlink()
    status, lines = run()
    assert status is Status.RAN
    far = kept.relative_to(project.root / ".dvc" / "cache")
    assert f"`dvc push` leaves it there until {far} in it is deleted" in " ".join(lines)
    assert (remote / far).read_bytes() == b"on"
    assert project.read("out.txt") == "one\n"
    assert kept.read_bytes() == b"one\n"
    assert project.status() == {}


def test_a_damaged_object_is_not_put_over_somebodys_data(project):
    project.stages(use={"cmd": "cp data.csv out.txt", "deps": ["data.csv"], "outs": ["out.txt"]})
    for rows in ("1\n", "1\n2\n"):
        project.write("data.csv", rows)
        with Repo(str(project.root)) as repo:
            repo.add("data.csv")
    damage(object_of(project, b"1\n"))
    (project.root / "data.csv").unlink()
    project.write("data.csv", "1\n")
    lines = []
    with closing(Graph()) as graph:
        assert graph.run("data.csv.dvc", lines.append, stop=Stop()).status is Status.RAN
    assert "data.csv is damaged in DVC's cache" in lines[0]
    assert project.read("data.csv") == "1\n"
    assert object_of(project, b"1\n").read_bytes() == b"1\n"
