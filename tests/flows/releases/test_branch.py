"""The branch of releases in a clone, which has tags at once and the branch only as its remote's."""

import subprocess
from dataclasses import replace

import pytest
import yaml
from prefect.logging import disable_run_logger

import mmcore.releases.git
from flows.branch import Branch
from flows.nightly import _wanted_commit
from flows.releasing import Releaser
from flows.timetable import Timetable
from mmcore.errors import SetupError
from mmcore.releases.git import Git
from mmcore.releases.looks import Look
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import point, read_registry, register
from tests.flows.releases.conftest import PARAMS


@pytest.fixture
def clone(released, tmp_path):
    """Of a repository with one release and one look."""
    released.data(0)
    released.retrain()
    root = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(released.root), str(root)], check=True)
    return Git(root)


def test_a_fresh_clone_knows_every_look_and_goes_on_from_there(clone, released):
    branch = Branch(clone, ReleaseSettings())
    assert branch.looks_text() == released.releaser().branch.looks_text()
    (look,) = branch.looks()
    branch.looked(replace(look, challenger="another"))
    assert [look.challenger for look in branch.looks()] == [look.challenger, "another"]
    assert clone.run("rev-parse", "releases^") == released.releaser().branch.tip


def test_looks_that_were_fetched_count_where_the_branch_lags_behind(clone, released):
    clone.run("branch", "releases", "origin/releases")
    released.data(2)
    released.retrain()
    clone.run("fetch", "-q")
    branch = Branch(clone, ReleaseSettings())
    assert branch.looks() == released.looks()
    assert branch.commit({}, "more", tree="HEAD", parents=[branch.tip]) == clone.run("rev-parse", "releases")


def test_looks_of_our_own_count_where_the_remote_lags_behind(clone):
    branch = Branch(clone, ReleaseSettings())
    branch.looked(replace(branch.looks()[0], challenger="another"))
    assert branch.tip == clone.run("rev-parse", "releases") != clone.run("rev-parse", "origin/releases")


def test_a_release_of_a_fresh_clone_is_told_to_its_remote(clone, released, monkeypatch):
    released.git.run("update-ref", "-d", "refs/heads/releases")
    subprocess.run(["cp", "-r", str(released.root / ".dvc" / "cache"), str(clone.root / ".dvc")], check=True)
    monkeypatch.chdir(clone.root)
    told = list[str]()
    Releaser(clone.root, ReleaseSettings(git_remote="origin"), told.append).point_at("v1.0.0", reason="as it was")
    assert not [line for line in told if "Could not be told" in line]
    assert released.git.run("rev-parse", "releases") == clone.run("rev-parse", "origin/releases")


def test_releases_whose_branch_is_missing_are_told_with_the_way_to_get_it(clone):
    clone.run("update-ref", "-d", "refs/remotes/origin/releases")
    with pytest.raises(SetupError, match="git fetch origin releases:releases"):
        Branch(clone, ReleaseSettings()).looks()


def test_before_the_first_release_there_is_no_look(toy):
    assert Branch(toy.git, ReleaseSettings()).looks() == []


@pytest.fixture
def machines(released, tmp_path):
    """Two clones of one remote, each with a releaser of its own and the first release; gives them and what they say."""
    far = tmp_path / "far"
    subprocess.run(["git", "clone", "-q", "--bare", str(released.root), str(far)], check=True)
    told, made = list[str](), []
    for name in ("a", "b"):
        subprocess.run(["git", "clone", "-q", str(far), str(tmp_path / name)], check=True)
        made.append(Releaser(tmp_path / name, ReleaseSettings(git_remote="origin"), told.append))
    return *made, told


def look(releaser, challenger, when):
    releaser.branch.looked(Look(when, "old", challenger, "rows", 10, "t/m", 0.0, 0.0001, "HOLD"))


def challengers(releaser):
    return [one.challenger for one in releaser.branch.looks()]


def test_looks_of_two_machines_are_put_together_in_the_order_of_their_times(machines):
    one, other, told = machines
    look(one, "second", "2026-11-02T00:00:00+00:00")
    one.publish()
    look(other, "first", "2026-11-01T00:00:00+00:00")
    look(other, "third", "2026-11-03T00:00:00+00:00")
    other.publish()  # refused at first: the remote's branch has gone on
    one.hear()
    assert challengers(one) == challengers(other) == ["first", "second", "third"]
    assert one.branch.tip == other.branch.tip
    assert told == []


def test_a_release_is_numbered_after_those_of_other_machines(machines):
    one, other, told = machines
    head = one.git.commit_of("HEAD")
    commit = one.branch.commit({}, "Release model v1.1.0", tree=head, parents=[one.branch.tip, head])
    register(one.git, "model", "v1.1.0", commit=commit, message="better", now=1_800_000_000)
    one.publish()
    other.hear()
    assert read_registry(other.git, "model").next_number() == "v1.2.0"
    assert other.branch.tip == commit
    assert told == []


def test_the_branch_holds_the_newest_release_where_a_later_look_of_another_machine_knew_an_older_one(machines):
    one, other, _ = machines
    head = one.git.commit_of("HEAD")
    files = {"releases/card.md": b"the newest"}
    commit = one.branch.commit(files, "Release model v1.1.0", tree=head, parents=[one.branch.tip, head])
    register(one.git, "model", "v1.1.0", commit=commit, message="better", now=1_800_000_000)
    one.publish()
    old, later = other.branch.tip, other.git.identity(when=2_000_000_000)
    looked = other.git.run("commit-tree", f"{old}^{{tree}}", "-p", old, "-m", "HOLD", environment=later)
    other.git.run("update-ref", "refs/heads/releases", looked)
    other.publish()
    one.hear()
    assert one.git.file(one.branch.tip, "releases/card.md") == "the newest"
    assert one.branch.tip == other.branch.tip != commit


def test_two_tags_of_one_name_are_told_with_the_way_out_and_end_nothing(machines):
    one, other, told = machines
    for git in (one.git, other.git):
        register(git, "model", "v1.1.0", commit=git.run("rev-parse", "HEAD"), message=str(git.root), now=1_800_000_000)
    one.publish()
    other.hear()
    look(other, "told", "2026-11-01T00:00:00+00:00")
    other.publish()
    assert one.git.run("ls-remote", "origin", "refs/heads/releases").startswith(other.branch.tip)
    (line,) = told
    assert "model@v1.1.0" in line
    assert "git tag -d model@v1.1.0" in line
    timetable = Timetable(fetch="origin", ref="HEAD")
    with disable_run_logger():
        assert _wanted_commit(other.root, timetable) == other.git.commit_of("HEAD")


def test_a_pointer_that_another_machine_moved_is_told_also_where_both_moved_it(machines):
    one, other, told = machines
    second = other.git.commit_of("HEAD")
    for git in (one.git, other.git):
        register(git, "model", "v1.1.0", commit=second, message="better", now=1_800_000_000)
    first = read_registry(one.git, "model").version("v1.0.0").commit
    point(one.git, "model", "prod", commit=first, message="as before", now=1_800_000_001)
    for _ in range(2):
        point(other.git, "model", "prod", commit=second, message="the better one", now=1_800_000_002)
    other.publish()
    one.hear()
    one.hear()
    assert told[1:] == ["prod was v1.0.0 here and is v1.1.0 by `model#prod#3` of origin."]
    assert "model#prod#2" in told[0]


def test_a_remote_that_cannot_be_reached_is_told_and_ends_nothing(machines, tmp_path):
    one, _, told = machines
    (tmp_path / "far").rename(tmp_path / "away")
    one.hear()
    look(one, "alone", "2026-11-01T00:00:00+00:00")
    one.publish()
    assert "is not known" in told[0]
    assert "Could not be told to origin" in told[-1]
    (tmp_path / "away").rename(tmp_path / "far")
    one.publish()
    assert Git(tmp_path / "far").commit_of("releases") == one.branch.tip


def test_a_remote_that_does_not_answer_is_given_up_and_asked_no_second_time(machines, silent, monkeypatch):
    one, _, told = machines
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 0.3)
    one.git.run("remote", "set-url", "origin", f"git://{silent.address}/x")
    asked, ask = [], Git._ask_far
    monkeypatch.setattr(Git, "_ask_far", lambda git, given, where: asked.append(given[0]) or ask(git, given, where))
    one.hear()
    look(one, "alone", "2026-11-01T00:00:00+00:00")
    one.publish()
    assert asked == ["fetch", "push", "ls-remote"]
    heard, lost = told
    assert "What others have released is not known: `git fetch`" in heard
    assert "Could not be told to origin" in lost
    assert "origin said nothing for 0.3 s" in lost


def test_what_has_come_is_no_loss_where_a_hook_of_the_remote_goes_on_in_silence(machines, tmp_path, monkeypatch):
    one, _, told = machines
    hook, go = tmp_path / "far" / "hooks" / "post-receive", tmp_path / "go"
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.1; done\n")
    hook.chmod(0o755)
    # As on another machine, of whose hooks nothing is known here.
    one.git.run("config", "remote.origin.receivepack", "env -u GIT_TRACE2_EVENT git-receive-pack")
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 2)
    look(one, "alone", "2026-11-01T00:00:00+00:00")
    try:
        one.publish()
    finally:
        go.touch()
    assert told == []
    assert Git(tmp_path / "far").commit_of("releases") == one.branch.tip


def test_tags_that_clash_are_told_once_where_the_branch_had_to_be_merged_too(machines):
    one, other, told = machines
    for day, releaser in enumerate((one, other), start=1):
        commit = releaser.git.run("rev-parse", "HEAD")
        register(releaser.git, "model", "v1.1.0", commit=commit, message=str(releaser.root), now=1_800_000_000)
        look(releaser, f"of day {day}", f"2026-11-0{day}T00:00:00+00:00")
        releaser.publish()
    one.hear()
    assert challengers(one) == challengers(other) == ["of day 1", "of day 2"]
    (line,) = told  # by the later one: the remote's tag is that of the other
    assert "git tag -d model@v1.1.0" in line


def test_a_remote_that_is_an_address_is_told_once_and_ends_nothing(machines, tmp_path):
    one, _, told = machines
    one.git.run("branch", "releases", "origin/releases")
    releaser = Releaser(one.root, ReleaseSettings(git_remote=str(tmp_path / "far")), told.append)
    releaser.hear()
    look(releaser, "another", "2026-11-01T00:00:00+00:00")
    releaser.publish()
    releaser.hear()
    (line,) = told
    assert "`git remote` lists alone (origin)" in line
    assert Git(tmp_path / "far").commit_of("releases") == one.git.commit_of("releases")


def test_a_remote_without_a_release_is_heard_of_in_silence(toy, tmp_path):
    subprocess.run(["git", "clone", "-q", "--bare", str(toy.root), str(tmp_path / "far")], check=True)
    toy.git.run("remote", "add", "origin", str(tmp_path / "far"))
    told = list[str]()
    Releaser(toy.root, ReleaseSettings(git_remote="origin"), told.append).hear()
    assert told == []


def test_a_look_that_promotes_nothing_is_told_to_the_remote(released, tmp_path):
    subprocess.run(["git", "clone", "-q", "--bare", str(released.root), str(tmp_path / "far")], check=True)
    released.git.run("remote", "add", "origin", str(tmp_path / "far"))
    settings = {**PARAMS, "release": {"enabled": True, "git_remote": "origin"}}
    released.project.write("params.yaml", yaml.safe_dump(settings))
    released.data(0)
    assert released.retrain() == 0
    assert released.in_use() == "v1.0.0"
    assert Git(tmp_path / "far").commit_of("releases") == released.git.commit_of("releases")
    assert [one.verdict for one in released.looks()] == ["REJECT"]
