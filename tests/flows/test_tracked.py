"""Data that a .dvc file names: what is older than the file, or missing, is told; what is new is taken in."""

import hashlib
import shutil
import subprocess
from contextlib import closing

import pytest
from dvc.repo import Repo

from flows.graph import Graph
from flows.outcome import Status
from flows.stop import Stop

IDENTITY = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]


def git(project, *arguments):
    told = subprocess.run(["git", *IDENTITY, *arguments], cwd=project.root, check=True, capture_output=True, text=True)
    return told.stdout.strip()


def add(project, rows, *, path="data/t", message=None):
    """`dvc add` of the rows, in a commit where there is a message for it."""
    project.write("data/t/rows.csv" if path == "data/t" else path, rows)
    with Repo(str(project.root)) as repo:
        repo.add(path)
    if message:
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", message)


def checkout(project, path="data/t"):
    with Repo(str(project.root)) as repo:
        repo.checkout([f"{path}.dvc"], force=True)


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def bring_up_to_date():
    """Every stage in its turn: outcomes by name, and what was said."""
    lines = []
    with closing(Graph()) as graph:
        return {name: graph.run(name, lines.append, stop=Stop()) for name in graph.needs}, lines


def uses(project, path="data/t"):
    project.stages(copy={"cmd": f"cp -r {path} out", "deps": [path], "outs": ["out"]})


def pulled(project, path="data/t"):
    """As `git pull` without `dvc pull` leaves it: the .dvc file of the second commit beside the rows of the first."""
    uses(project, path)
    add(project, "1\n", path=path, message="rows")
    older = git(project, "rev-parse", "--short", "HEAD")
    add(project, "1\n2\n", path=path, message="more rows")
    git(project, "checkout", "-q", "HEAD~", "--", f"{path}.dvc")
    checkout(project, path)
    git(project, "checkout", "-q", "HEAD", "--", f"{path}.dvc")
    return older


@pytest.mark.parametrize("path", ["data/t", "data/t.csv"], ids=["folder", "file"])
def test_rows_older_than_the_dvc_file_that_was_pulled_are_not_trained_on(project, path):
    older = pulled(project, path)
    outcome = bring_up_to_date()[0][f"{path}.dvc"]
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    assert outcome.reason.startswith(f"{path} is as commit {older} of ")
    assert f"`dvc pull {path}.dvc` fetches it" in outcome.reason
    assert git(project, "diff", "--name-only", "HEAD") == ""


def cut(project, content):
    """An object of DVC's cache, as a full disk leaves it. Gives its path."""
    digest = hashlib.md5(content).hexdigest()
    path = project.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(content[:1])
    path.chmod(0o444)
    return path


@pytest.mark.parametrize("path", ["data/t", "data/t.csv"], ids=["folder", "file"])
def test_rows_that_are_cut_in_the_cache_are_not_trained_on_and_what_mends_it_is_told(project, path):
    uses(project, path)
    add(project, "1\n2\n", path=path)
    damaged = cut(project, b"1\n2\n")
    remove(project.root / path)
    checkout(project, path)  # as a night does in its worktree
    outcome = bring_up_to_date()[0][f"{path}.dvc"]
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    assert outcome.reason.startswith(f"{path} is not what {path}.dvc names")
    assert f"'{damaged}'). Delete that; then `dvc commit --force {path}.dvc`" in outcome.reason


@pytest.mark.parametrize("path", ["data/t", "data/t.csv"], ids=["folder", "file"])
def test_whole_rows_are_trained_on_though_the_cache_has_them_cut_and_can_be_kept_again(project, path):
    uses(project, path)
    add(project, "1\n2\n", path=path)
    damaged = cut(project, b"1\n2\n")
    assert bring_up_to_date()[0][f"{path}.dvc"].status is Status.UNCHANGED

    damaged.unlink()  # as the message says
    with Repo() as repo:
        repo.commit(f"{path}.dvc", force=True)
    assert damaged.read_bytes() == b"1\n2\n"


def test_the_rows_that_were_pulled_are_trained_on(project):
    pulled(project)
    checkout(project)
    assert bring_up_to_date()[0]["copy"].status is Status.RAN
    assert project.read("out/rows.csv") == "1\n2\n"


def test_older_rows_that_are_meant_are_added_and_trained_on(project):
    pulled(project)
    add(project, "1\n")
    assert bring_up_to_date()[0]["copy"].status is Status.RAN
    assert project.read("out/rows.csv") == "1\n"


def test_rows_of_a_branch_that_a_merge_did_not_go_by_are_older(project):
    uses(project)
    add(project, "1\n", message="rows")
    main = git(project, "symbolic-ref", "--short", "HEAD")
    git(project, "checkout", "-q", "-b", "ours")
    add(project, "1\n3\n", message="our rows")
    ours = git(project, "rev-parse", "--short", "HEAD")
    git(project, "checkout", "-q", main)
    checkout(project)
    add(project, "1\n2\n", message="their rows")
    git(project, "merge", "-q", "--no-edit", "-s", "ours", "ours")
    project.write("data/t/rows.csv", "1\n3\n")
    assert bring_up_to_date()[0]["data/t.dvc"].reason.startswith(f"data/t is as commit {ours} of ")


def test_new_rows_are_taken_in_and_that_is_said(project):
    pulled(project)
    project.write("data/t/rows.csv", "1\n2\n3\n")
    outcomes, lines = bring_up_to_date()
    assert outcomes["data/t.dvc"].status is Status.RAN
    assert "data/t has other data than data/t.dvc named; data/t.dvc names this now." in lines
    assert project.status() == {}


def test_rows_that_were_added_and_taken_back_before_a_commit_go_on(project):
    uses(project)
    add(project, "1\n", message="rows")
    add(project, "1\n2\n")
    project.write("data/t/rows.csv", "1\n")
    assert bring_up_to_date()[0]["copy"].status is Status.RAN
    assert git(project, "diff", "--name-only", "HEAD") == ""


def test_rows_in_no_commit_are_taken_in(project):
    uses(project)
    add(project, "1\n")
    project.write("data/t/rows.csv", "1\n2\n")
    assert bring_up_to_date()[0]["copy"].status is Status.RAN


def test_where_the_program_git_is_missing_rows_are_taken_in(project, monkeypatch):
    pulled(project)
    monkeypatch.setenv("PATH", str(project.root))
    assert bring_up_to_date()[0]["data/t.dvc"].status is Status.RAN


@pytest.mark.parametrize("path", ["data/t", "data/my t.csv"])
def test_data_that_is_missing_is_told_with_the_command_that_fetches_it(project, path):
    project.stages(copy={"cmd": "ls data > out", "deps": [path], "outs": ["out"]})
    add(project, "1\n", path=path, message="rows")
    subprocess.run(["rm", "-r", path], cwd=project.root, check=True)
    outcome = bring_up_to_date()[0][f"{path}.dvc"]
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    quoted = f"{path}.dvc" if " " not in path else f"'{path}.dvc'"
    assert outcome.reason.startswith(f"{path} is missing: `dvc pull {quoted}` fetches it")


def test_an_import_that_is_missing_is_told_too(project, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    with Repo(str(project.root)) as repo:
        repo.imp_url(str(tmp_path / "far.csv"), "near.csv")
    uses(project, "near.csv")
    (project.root / "near.csv").unlink()
    assert "`dvc pull near.csv.dvc` fetches it" in bring_up_to_date()[0]["near.csv.dvc"].reason


def imported(project, source):
    """An import of two commits, up to date: of "1", and of "2". Returns the first commit."""
    uses(project, "near.csv")
    for number in ("1\n", "2\n"):
        source.write_text(number)
        with Repo(str(project.root)) as repo:
            repo.update(["near.csv.dvc"]) if number == "2\n" else repo.imp_url(str(source), "near.csv")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", f"import {number}")
    return git(project, "rev-parse", "--short", "HEAD~")


def test_an_import_older_than_the_dvc_file_that_was_pulled_is_not_trained_on(project, tmp_path):
    older = imported(project, tmp_path / "far.csv")
    project.write("near.csv", "1\n")
    outcome = bring_up_to_date()[0]["near.csv.dvc"]
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    assert outcome.reason.startswith(f"near.csv is as commit {older} of ")
    assert f"If the older data is meant: `git checkout {older} -- near.csv.dvc`." in outcome.reason
    assert git(project, "diff", "--name-only", "HEAD", "--", "near.csv.dvc") == ""


def test_an_older_import_that_is_meant_is_trained_on(project, tmp_path):
    older = imported(project, tmp_path / "far.csv")
    project.write("near.csv", "1\n")
    git(project, "checkout", older, "--", "near.csv.dvc")
    assert bring_up_to_date()[0]["copy"].status is Status.RAN
    assert project.read("out") == "1\n"


def test_an_import_that_was_edited_here_is_taken_in_and_that_is_said(project, tmp_path):
    imported(project, tmp_path / "far.csv")
    project.write("near.csv", "3\n")
    outcomes, lines = bring_up_to_date()
    assert outcomes["copy"].status is Status.RAN
    assert "near.csv has other data than near.csv.dvc named; near.csv.dvc names this now." in lines


def test_an_import_that_was_unfrozen_is_fetched_anew_whatever_lies_there(project, tmp_path):
    imported(project, tmp_path / "far.csv")
    with Repo(str(project.root)) as repo:
        repo.unfreeze("near.csv.dvc")
    git(project, "commit", "-q", "-a", "-m", "unfrozen")
    project.write("near.csv", "1\n")
    assert bring_up_to_date()[0]["copy"].status is Status.RAN
    assert project.read("out") == "2\n"
