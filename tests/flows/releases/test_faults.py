"""Whatever happens in the middle of a retraining, nothing is lost and the next one ends what was begun."""

import os
import resource
import subprocess
import sys

import pytest

import flows.releasing
from mmcore.errors import SetupError
from mmcore.releases import tags

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
    ("flows.releasing.smoke_test", False),
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


@pytest.mark.slow  # DVC as processes of its own
def test_a_remote_that_cannot_be_reached_keeps_the_release_back_and_loses_nothing(released, real_dvc, tmp_path):
    (tmp_path / "file").write_text("no folder")
    released.remote()
    config = released.root / ".dvc" / "config"
    config.write_text(config.read_text().replace(str(tmp_path / "remote"), str(tmp_path / "file" / "remote")))
    released.data(2)
    with pytest.raises(SetupError, match=r"`dvc push` failed, so nothing was released: ERROR: .*Not a directory"):
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
