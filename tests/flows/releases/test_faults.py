"""Whatever happens in the middle of a retraining, nothing is lost and the next one ends what was begun."""

import json
import os
import resource
import subprocess
import sys

import pytest
import yaml

import flows.releasing
from flows.releasing import Releaser, SmokeFailed
from mmcore.errors import ConfigError, SetupError
from mmcore.releases import tags
from mmcore.releases.settings import ReleaseSettings
from tests.flows.releases.conftest import PARAMS

STEPS = [
    ("flows.retrain.bring_up_to_date", True),
    ("flows.retrain.bring_up_to_date", False),
    ("flows.retrain.judge", True),
    ("flows.branch.Branch.looked", True),
    ("flows.branch.Branch.looked", False),
    ("flows.branch.Branch.commit", True),
    ("flows.releasing.Releaser._commit", False),
    ("flows.releasing.register", True),
    ("flows.releasing.register", False),
    ("flows.releasing.point", True),
    ("flows.releasing.point", False),
    ("flows.releasing.Releaser._smoke", False),
    ("flows.releasing.Releaser.publish", True),
    ("flows.retrain.settle", True),
]


@pytest.mark.parametrize(("step", "before"), STEPS)
def test_killed_at_any_step_the_next_run_ends_with_the_same(released, step, before):
    released.data(2)
    released.until_killed(step, before=before)
    assert released.in_use() in ("v1.0.0", "v1.1.0")
    assert released.git.run("status", "--porcelain", "--untracked-files=no") == " M in.txt"
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert released.fetched(stage="prod") == "2"
    assert [version.number for version in released.registry().versions] == ["v1.0.0", "v1.1.0"]
    assert [look.verdict for look in released.looks()] == ["PROMOTE"]
    assert released.record()["release"]["version"] == "v1.1.0"
    assert list((released.git.shared / "mmcore").glob("underway*")) == []
    assert released.retrain() == 0


def test_the_first_release_too_is_ended_by_the_next_run(toy):
    toy.until_killed("flows.releasing.point")
    assert toy.in_use() is None
    assert toy.retrain() == 0
    assert toy.in_use() == "v1.0.0"


def test_what_is_released_and_does_not_answer_goes_back(released):
    released.broken.add("2")
    released.data(2)
    with pytest.raises(SmokeFailed, match=r"v1\.1\.0 failed its smoke test, and prod names v1\.0\.0 again"):
        released.retrain()
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.0.0", "1")
    released.broken.clear()
    assert released.retrain() == 0  # the same bytes are not tried again by themselves
    assert released.in_use() == "v1.0.0"
    assert "taken back" in released.record()["reasons"][0]


def test_the_first_release_that_does_not_answer_leaves_no_model_in_use(toy):
    toy.broken.add("1")
    with pytest.raises(SmokeFailed, match="prod names nothing again"):
        toy.retrain()
    assert toy.in_use() is None


def test_bytes_that_are_not_those_that_were_released_do_not_stay(released, monkeypatch):
    def damaged(git, target, **_):
        target.mkdir()
        (target / "value").write_text("7")

    monkeypatch.setattr(flows.releasing, "get", damaged)
    released.data(2)
    with pytest.raises(SmokeFailed, match="its bytes are damaged"):
        released.retrain()
    assert released.in_use() == "v1.0.0"


def test_a_clock_that_was_put_back_does_not_keep_the_old_model_in_use(released, monkeypatch):
    monkeypatch.setattr(flows.releasing.time, "time", lambda: 1_000_000_000.0)
    released.data(2)
    assert released.retrain() == 0
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.1.0", "2")
    assert released.registry().history("prod")[-1].number == "v1.1.0"


def test_two_releases_in_one_second_are_in_their_order(released):
    for value in (2, 3, 4):
        released.data(value)
        assert released.retrain() == 0
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.3.0", "4")
    times = [pointer.time for pointer in released.registry().pointers]
    assert len(set(times)) == len(times) == 4


@pytest.fixture
def half_done(released):
    """v1.1.0, of value 2, for the pointer `staging`, killed before that was set; then params.yaml says `prod`."""
    settings(released, stage="staging")
    released.data(2)
    released.until_killed("flows.releasing.point")
    settings(released)
    return released


def settings(toy, **release):
    toy.project.write("params.yaml", yaml.safe_dump({**PARAMS, "release": {"enabled": True, **release}}))


def pointers(toy):
    return [(one.stage, toy.git.run("show", "-s", "--format=%s", one.commit)) for one in toy.registry().pointers]


def test_a_release_is_ended_for_the_pointer_that_it_was_begun_for(half_done):
    half_done.releaser().mend()
    assert pointers(half_done) == [("prod", "Release model v1.0.0"), ("staging", "Release model v1.1.0")]


def test_a_release_is_ended_under_the_name_that_it_was_begun_with(half_done):
    settings(half_done, name="other")
    half_done.releaser().mend()
    assert pointers(half_done)[-1] == ("staging", "Release model v1.1.0")


def test_a_journal_without_a_pointer_s_name_moves_none_that_named_something_else(half_done):
    """As an older version wrote it; `staging` had named nothing."""
    path = half_done.git.shared / "mmcore" / "underway-model.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: kept[key] for key in ("commit", "number", "reason", "previous")}))
    half_done.releaser().mend()
    assert half_done.in_use() == "v1.0.0"
    assert not path.exists()


def test_a_journal_without_a_pointer_s_name_is_gone_on_with_where_the_pointer_is_as_it_was(released):
    released.data(2)
    released.until_killed("flows.releasing.point")
    path = released.git.shared / "mmcore" / "underway-model.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: kept[key] for key in ("commit", "number", "reason", "previous")}))
    released.releaser().mend()
    assert released.in_use() == "v1.1.0"


def test_a_release_is_not_gone_on_with_where_another_came_in_use_since(released):
    released.data(2)
    released.until_killed("flows.releasing.point")
    tags.register(released.git, "model", "v2.0.0", commit=released.git.run("rev-parse", "HEAD"), message="x", now=0)
    tags.point(released.git, "model", "prod", commit=released.git.run("rev-parse", "HEAD"), message="x", now=0)
    told = list[str]()
    Releaser(released.root, ReleaseSettings(), told.append).mend()
    assert released.in_use() == "v2.0.0"
    assert "while prod was v1.0.0. That is v2.0.0 by now and stays so" in told[0]
    assert list((released.git.shared / "mmcore").glob("underway*")) == []


@pytest.mark.parametrize("release", [{"stage": "pre prod"}, {"name": "a model"}, {"branch": "re leases"}])
def test_a_name_that_git_refuses_is_told_before_anything_is_begun(toy, release):
    settings(toy, **release)
    with pytest.raises(ConfigError, match=f"release.{next(iter(release))} is '{next(iter(release.values()))}'"):
        toy.retrain()
    assert toy.asked == []


@pytest.mark.slow  # DVC as processes of its own
def test_a_remote_that_cannot_be_reached_keeps_the_release_back_and_loses_nothing(released, real_dvc, tmp_path):
    (tmp_path / "file").write_text("no folder")
    released.remote()
    config = released.root / ".dvc" / "config"
    config.write_text(config.read_text().replace(str(tmp_path / "remote"), str(tmp_path / "file" / "remote")))
    released.data(2)
    with pytest.raises(SetupError, match="`dvc push` failed, so nothing was released"):
        released.retrain()
    assert released.in_use() == "v1.0.0"
    assert released.record()["verdict"] == "PROMOTE"
    (tmp_path / "file").unlink()
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert len(released.looks()) == 1
    assert list((tmp_path / "file" / "remote").rglob("*.dir"))


@pytest.mark.slow  # DVC as processes of its own
def test_a_disk_that_is_full_while_pushing_keeps_the_release_back(released, monkeypatch):
    """A limit on the size of files stands for it: a write ends in the middle with an error of the system."""
    folder = released.remote()
    released.project.write("in.txt", f"2{' ' * 300_000}\n")
    real = subprocess.run

    def limited(command, **options):
        if "push" in command:
            options["preexec_fn"] = _small_files
        return real(command, **options)

    monkeypatch.setattr(flows.releasing, "_dvc", _dvc_process)
    with monkeypatch.context() as small:
        small.setattr(subprocess, "run", limited)
        with pytest.raises(SetupError, match="`dvc push` failed"):
            released.retrain()
    assert released.in_use() == "v1.0.0"
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    whole = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 300_000]
    assert len(whole) == 1


def _small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def _dvc_process(root, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip


def test_bytes_of_the_model_in_use_that_cannot_be_had_are_told(released, monkeypatch):
    def gone(*_, **__):
        raise SetupError("`dvc artifacts get . model --rev v1.0.0` failed: ERROR: missing cache")

    monkeypatch.setattr("mmcore.releases.fetch.get", gone)
    released.data(2)
    with pytest.raises(SetupError, match="missing cache"):
        released.retrain()
    assert released.in_use() == "v1.0.0"


def test_a_journal_that_was_killed_while_it_was_written_hinders_nothing(released):
    (released.git.shared / "mmcore" / "underway-model.json").write_text('{"commit": "ab')
    assert released.retrain() == 0
    assert released.in_use() == "v1.0.0"


def test_somebody_who_moves_the_branch_meanwhile_is_not_overwritten(released, monkeypatch):
    real = released.git.run

    def beside(self, *arguments, **options):
        if arguments[0] == "update-ref":
            tree = real("rev-parse", "releases^{tree}")
            theirs = real("commit-tree", tree, "-p", "releases", "-m", "theirs", environment=self.identity())
            real("update-ref", "refs/heads/releases", theirs)
        return type(self).raw(self, *arguments, **options).decode().rstrip("\n")

    released.data(0)
    monkeypatch.setattr("mmcore.releases.git.Git.run", beside)
    with pytest.raises(SetupError, match="update-ref"):
        released.retrain()
    monkeypatch.undo()
    assert "theirs" in released.git.run("log", "-1", "--format=%s", "releases")


def test_lightweight_tags_and_others_names_are_no_releases(released):
    released.git.run("tag", "model@v9.0.0")
    released.git.run("tag", "-a", "other@v2.0.0", "-m", "x", environment=released.git.identity())
    found = tags.read_registry(released.git, "model")
    assert [version.number for version in found.versions] == ["v1.0.0"]
