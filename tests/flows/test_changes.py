import os
import subprocess
from dataclasses import replace

import pytest
from dvc.repo import Repo

import flows.changes
import flows.fresh
from flows.changes import signature
from flows.fresh import _check_source, imports_of, update_imports
from flows.timetable import Timetable
from flows.worktree import add_worktree, git
from mmcore.errors import SetupError
from mmcore.releases.git import Git


def commit(root, text="a commit"):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    git(root, "add", "-A")
    git(root, *identity, "commit", "-q", "--allow-empty", "-m", text)
    return git(root, "rev-parse", "HEAD")


def now(project, *, share=()):
    head = git(project.root, "rev-parse", "HEAD")
    return signature(project.root, head, replace(Timetable(), share=tuple(share)))


@pytest.fixture
def committed(project):
    project.write(".gitignore", "/private\n/.mm\n")
    commit(project.root)
    return project


def test_it_stays_as_long_as_nothing_changes_and_a_persons_edits_do_not_count(committed):
    before = now(committed)
    committed.write("in.txt", "half a sentence")
    assert now(committed) == before


def test_a_commit_counts(committed):
    before = now(committed)
    commit(committed.root, "another")
    assert now(committed) != before


def test_a_shared_folder_that_grew_counts(committed):
    committed.write("private/one.png", "1")
    before = now(committed, share=["private"])
    assert now(committed, share=["private"]) == before
    committed.write("private/two.png", "2")
    assert now(committed, share=["private"]) != before


def test_rows_that_were_appended_to_a_table_elsewhere_count(committed, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("1\n")
    committed.write("params.yaml", f"data: {{watch: {table}}}")
    commit(committed.root)
    before = now(committed)
    table.write_text("1\n2\n")
    assert now(committed) != before
    after = now(committed)
    os.utime(table, (0, 0))
    assert now(committed) != after
    table.unlink()
    assert now(committed) != after


def test_an_import_of_a_file_counts_when_its_source_changes(committed, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    with Repo(str(committed.root)) as repo:
        repo.imp_url(str(tmp_path / "far.csv"), "near.csv")
    commit(committed.root)
    before = now(committed)
    (tmp_path / "far.csv").write_text("1\n2\n")
    assert now(committed) != before


def test_an_import_with_a_chinese_name_counts(committed, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    committed.write("数据.csv.dvc", f"deps: [{{path: {tmp_path}/far.csv}}]\nouts: [{{path: 数据.csv}}]\nfrozen: true\n")
    assert imports_of(Git(committed.root)) == ["数据.csv.dvc"]
    commit(committed.root)
    before = now(committed)
    (tmp_path / "far.csv").write_text("1\n2\n")
    assert now(committed) != before


def test_an_import_by_a_relative_path_is_refused_in_a_worktree_with_the_way_out(committed, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    committed.write("data/near.csv.dvc", "deps: [{path: ../../far.csv}]\nouts: [{path: near.csv}]\nfrozen: true\n")
    commit(committed.root)
    _check_source(committed.root, "data/near.csv.dvc")  # from the clone itself it is there
    worktree = add_worktree(committed.root, "HEAD", name="run", share=[])
    with pytest.raises(SetupError, match=r"imports \.\./\.\./far\.csv, .*by its whole path, `dvc import-url --force /"):
        update_imports(worktree, Git(worktree), tell=print)


def test_an_import_whose_source_does_not_answer_is_named_before_and_given_up(committed, silent, monkeypatch):
    monkeypatch.setattr(flows.fresh, "LIMIT_H", 1e-4)
    committed.write(
        "near.csv.dvc",
        f"deps: [{{path: 'http://{silent.address}/far.csv'}}]\nouts: [{{path: near.csv}}]\nfrozen: true\n",
    )
    told = []
    with pytest.raises(SetupError, match=r"`dvc update near\.csv\.dvc` was given up after 0\.0001 h"):
        update_imports(committed.root, Git(committed.root), tell=told.append)
    assert told == ["Looking for new data where it was imported from: near.csv.dvc."]


def test_an_import_from_a_repository_counts_when_that_has_a_new_commit(committed, tmp_path):
    far = tmp_path / "far"
    subprocess.run(["git", "init", "-q", str(far)], check=True)
    (far / "rows.csv").write_text("1\n")
    commit(far)
    with Repo(str(committed.root)) as repo:
        repo.imp(str(far), "rows.csv", "near.csv")
    commit(committed.root)
    before = now(committed)
    assert now(committed) == before
    commit(far, "more")
    assert now(committed) != before


def test_a_repository_that_does_not_answer_is_as_one_that_cannot_be_reached(committed, silent, monkeypatch):
    monkeypatch.setattr(flows.changes, "REPOSITORY_S", 0.3)
    committed.write(
        "near.csv.dvc",
        f"deps: [{{path: far.csv, repo: {{url: 'git://{silent.address}/x'}}}}]\nouts: [{{path: near.csv}}]\n",
    )
    commit(committed.root)
    assert now(committed)  # raises nothing


def test_an_import_by_http_counts_when_the_server_says_so(committed, httpd):
    committed.write(
        "near.csv.dvc", f"deps: [{{path: {httpd.address}/far.csv}}]\nouts: [{{path: near.csv}}]\nfrozen: true\n"
    )
    commit(committed.root)
    httpd.headers = {"ETag": "one"}
    before = now(committed)
    assert now(committed) == before
    httpd.headers = {"ETag": "two"}
    assert now(committed) != before


def test_an_import_from_s3_counts_when_what_lies_there_changes(committed, bucket):
    bucket.put("data/one.csv", "a")
    committed.write("near.dvc", f"deps: [{{path: s3://{bucket.name}/data}}]\nouts: [{{path: near}}]\nfrozen: true\n")
    commit(committed.root)
    before = now(committed)
    assert now(committed) == before
    bucket.put("data/one.csv", "b")
    other = now(committed)
    assert other != before
    bucket.put("data/two.csv", "c")
    assert now(committed) not in (before, other)


def test_an_import_from_a_store_that_nothing_here_knows_is_left_to_the_clock(committed):
    committed.write("near.csv.dvc", "deps: [{path: nonsense://far.csv}]\nouts: [{path: near.csv}]\nfrozen: true\n")
    commit(committed.root)
    assert now(committed) == now(committed)
