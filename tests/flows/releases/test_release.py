"""`python -m flows.release`: what is in use, what was, and the way back."""

import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

import flows.release
from flows.releasing import was_taken_back
from mmcore.errors import ArtifactError, ConfigError, SetupError, WrongModel, fetched_anew
from mmcore.releases.contents import digest_of, inputs_of
from mmcore.releases.fetch import digest_in, fetch, named
from mmcore.releases.settings import ReleaseSettings
from tests.flows.releases.conftest import MODEL


@pytest.fixture
def command(monkeypatch, capsys):
    """Run it in this process; gives what it printed."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["release", *arguments])
        parser_exit = flows.release.main()
        told = capsys.readouterr()
        return parser_exit, told.out, told.err

    return command


@pytest.fixture
def second(released):
    """v1.1.0, of value 2, in use; v1.0.0, of value 1, before."""
    released.data(2)
    assert released.retrain() == 0
    return released


def test_the_list_marks_what_is_in_use(second, command):
    code, told, _ = command("list", "--json")
    listed = json.loads(told)
    assert (code, listed["current"]) == (0, "v1.1.0")
    assert [(row["version"], row["in_use"]) for row in listed["releases"]] == [("v1.1.0", True), ("v1.0.0", False)]
    assert listed["releases"][0]["score"] == 2
    assert "v1.1.0" in command()[1]


def test_where_there_are_no_releases_it_says_how_to_make_one(toy, command):
    assert "--release" in command("list")[1]


def test_the_card_of_a_release_is_shown(second, command):
    assert "# model v1.1.0" in command("show")[1]
    assert "# model v1.0.0" in command("show", "v1.0.0")[1]
    assert json.loads(command("show", "--json")[1])["record"]["verdict"] == "PROMOTE"


def test_rolled_back_everyone_gets_the_old_bytes_again(second, command):
    old = digest_in(second.git, second.registry().version("v1.0.0").commit)
    code, told, _ = command("rollback", "--reason", "it is rude")
    assert (code, second.in_use()) == (0, "v1.0.0")
    assert "prod is v1.0.0 now" in told
    assert second.fetched(stage="prod") == "1"
    assert digest_of(fetch(second.git, named(second.git, "prod"))) == old
    assert "it is rude" in second.git.run("tag", "-n1", "--list", "model#prod#3")


def test_what_was_rolled_back_is_not_promoted_again_by_itself(second, command):
    command("rollback")
    assert second.retrain() == 0
    assert second.in_use() == "v1.0.0"
    assert second.record()["verdict"] == "HOLD"
    assert command("promote", "v1.1.0")[0] == 0
    assert second.in_use() == "v1.1.0"


def test_twice_rolled_back_goes_back_twice(second, command):
    second.data(3)
    second.retrain()
    command("rollback")
    command("rollback")
    assert second.in_use() == "v1.0.0"
    code, _, told = command("rollback")
    assert code == 2
    assert "v1.0.0 is the oldest release" in told


def test_after_a_promotion_by_mistake_rollback_gives_what_was_in_use(second, command):
    second.data(3)
    second.retrain()
    command("promote", "v1.0.0")
    assert command("rollback")[0] == 0
    assert second.in_use() == "v1.2.0"


def test_bytes_that_were_merely_followed_by_better_ones_may_be_released_again(second):
    digest = digest_in(second.git, second.registry().version("v1.0.0").commit)
    assert was_taken_back(second.git, ReleaseSettings(), digest) is None


def test_there_must_be_something_to_go_back_to(released, command):
    code, _, told = command("rollback")
    assert code == 2
    assert "no earlier release" in told


def test_a_model_can_be_released_against_its_verdict_and_that_is_kept(released, command):
    released.data(0)
    released.retrain()
    assert released.record()["verdict"] == "REJECT"
    assert command("promote")[0] == 2  # without a reason
    assert command("promote", "--reason", "the old one is rude")[0] == 0
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.1.0", "0")
    assert released.record()["forced"]["reason"] == "the old one is rude"
    card = released.git.file("releases", "releases/card.md")
    assert "**Released against the verdict**" in card
    assert "the old one is rude" in card


def test_an_unknown_release_is_told_with_those_there_are(released, command):
    code, _, told = command("promote", "v1.2.0")
    assert code == 2
    assert "There is: v1.0.0." in told


def test_a_release_s_folder_can_be_had(second, command, tmp_path):
    assert command("get", "v1.0.0", "--out", str(tmp_path / "old"))[0] == 0
    assert (tmp_path / "old" / "value").read_text() == "1\n"
    assert command("get", "v1.0.0", "--out", str(tmp_path / "old"))[0] == 2


def test_words_of_the_command_line_are_releases(second):
    assert named(second.git, "prod").number == "v1.1.0"
    assert named(second.git, "v1.0.0").number == named(second.git, "model@v1.0.0").number == "v1.0.0"
    with pytest.raises(ConfigError, match=r"Pointers: prod. Releases: v1\.0\.0, v1\.1\.0"):
        named(second.git, "staging")


def test_where_nothing_was_released_a_word_is_told_to_be_no_folder(toy):
    with pytest.raises(ConfigError, match="has no releases"):
        named(toy.git, "prod")


def test_what_was_fetched_and_then_damaged_is_fetched_anew(second):
    folder = fetch(second.git, named(second.git, "prod"))
    (folder / "value").chmod(0o644)
    (folder / "value").write_text("junk")
    assert (fetch(second.git, named(second.git, "prod")) / "value").read_text() == "2\n"


def test_damaged_bytes_are_had_again_once_the_file_is_deleted_that_is_named(second):
    second.remote()
    with Repo(str(second.root)) as repo:
        repo.push()
    shutil.rmtree(second.root / ".mm" / "released")
    kept = cached(second, "artifacts/model/value")
    kept.chmod(0o644)
    kept.write_text("junk")
    kept.chmod(0o444)
    with pytest.raises(WrongModel, match=f"bytes are damaged. Delete {re.escape(str(kept))};") as told:
        fetch(second.git, named(second.git, "prod"))
    kept.unlink()
    typed = str(told.value).split("`")[1]
    subprocess.run([sys.executable, "-m", *typed.split()], cwd=second.root, check=True, capture_output=True)
    assert (fetch(second.git, named(second.git, "prod")) / "value").read_text() == "2\n"


def test_a_damaged_output_is_had_again_by_what_is_told_to_type(second):
    """As DVC behaves: without the first command it finds everything up to date."""
    second.remote()
    with Repo(str(second.root)) as repo:
        repo.push()
    path = second.root / "artifacts" / "model" / "value"
    kept = cached(second, "artifacts/model/value")
    for file in (kept, path):
        file.chmod(0o644)
        file.write_text("junk")
    kept.chmod(0o444)
    typed = fetched_anew(path).split("`")[1].replace("dvc pull", f"{sys.executable} -m dvc pull")
    subprocess.run(typed, shell=True, cwd=second.root, check=True, capture_output=True)
    assert path.read_text() == "2\n"


def cached(toy, path):
    """The file of DVC's cache that a file of the working tree was put in as."""
    digest = digest_of(toy.root / path)
    return toy.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]


def test_a_release_that_lies_here_can_be_used_where_nothing_can_be_written(second, monkeypatch):
    there = fetch(second.git, named(second.git, "prod"))
    monkeypatch.setattr("os.utime", read_only)
    assert fetch(second.git, named(second.git, "prod")) == there


def test_releases_are_listed_where_nothing_can_be_written(second, command, monkeypatch):
    shutil.rmtree(second.git.shared / "mmcore")
    monkeypatch.setattr(Path, "mkdir", read_only)
    code, told, _ = command("list", "--json")
    assert (code, json.loads(told)["current"]) == (0, "v1.1.0")


def test_releases_are_listed_where_one_is_underway_and_nothing_can_be_written(second, command, monkeypatch):
    second.data(3)
    second.until_killed("flows.releasing.point")
    monkeypatch.setattr("flows.releasing.only_one", read_only)
    code, told, beside = command("list", "--json")
    assert (code, json.loads(told)["current"]) == (0, "v1.1.0")
    assert "Read-only file system" in beside


def read_only(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system", "somewhere")


MERGED = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs\n"


def test_a_dvc_lock_that_a_merge_left_is_told_with_the_way_to_have_it_again(second, command):
    second.git.run("add", "-f", "dvc.lock")
    second.commit()
    lock = second.project.read("dvc.lock")
    second.project.write("dvc.lock", MERGED.format(lock, lock))
    code, _, told = command("promote", "--reason", "y")
    assert code == 2
    assert "dvc.lock cannot be read" in told
    subprocess.run(told.split("`")[1], shell=True, cwd=second.root, check=True)
    assert second.project.read("dvc.lock") == lock


def test_inputs_that_cannot_be_read_are_told_like_outputs():
    with pytest.raises(ArtifactError, match=r"dvc\.lock cannot be read"):
        inputs_of(MERGED.format("a", "b"))


def test_metrics_that_a_merge_left_are_told(second, command):
    second.data(0)
    second.retrain()
    metrics = second.project.read("artifacts/metrics.json")
    second.project.write("artifacts/metrics.json", MERGED.format(metrics, metrics))
    code, _, told = command("promote", "--reason", "y")
    assert code == 2
    assert "artifacts/metrics.json is not JSON" in told
    assert "`dvc repro evaluate`" in told  # not --force, which would train anew
    assert second.in_use() == "v1.1.0"


@pytest.mark.slow  # DVC and GTO as processes of their own
def test_gto_and_dvc_read_what_we_write(second, real_dvc, tmp_path):
    """By their own programs, in a worktree of its own, as somebody else would."""
    other = tmp_path / "other"
    second.git.run("worktree", "add", "-q", "--detach", str(other))
    run = {"cwd": other, "capture_output": True, "text": True, "check": True}
    subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--local", "cache.dir", str(second.root / ".dvc/cache")], **run
    )
    program = str(Path(sys.executable).with_name("gto"))
    shown = json.loads(subprocess.run([program, "show", "model", "--json"], **run).stdout)
    stages = {one["version"]: [stage["stage"] for stage in one["stages"]] for one in shown}
    assert stages["v1.1.0"] == ["prod"]
    get = [sys.executable, "-m", "dvc", "artifacts", "get", ".", "model", "--stage", "prod", "-q", "-o", "got"]
    subprocess.run(get, **run)
    assert (other / "got" / "value").read_text() == "2\n"


@pytest.mark.parametrize("place", ["{}/rows.csv", "../rows.csv"])
def test_a_model_of_data_that_lies_outside_the_clone_is_released_and_its_card_says_so(toy, place):
    (toy.root.parent / "rows.csv").write_text("1\n")
    place = place.format(toy.root.parent)
    toy.project.stages(train={**MODEL, "deps": ["in.txt", place]})
    described = yaml.safe_load(toy.project.read("dvc.yaml")) | {"artifacts": {"model": {"path": "artifacts/model"}}}
    toy.project.write("dvc.yaml", yaml.safe_dump(described))
    assert toy.retrain() == 0
    assert toy.in_use() == "v1.0.0"
    assert f"in no commit, so that it cannot be made again from git alone: {place}" in toy.git.file(
        "releases", "releases/card.md"
    )


def test_a_repository_without_a_commit_is_told(toy, monkeypatch):
    monkeypatch.setattr("mmcore.releases.git.Git.commit_of", lambda *_: None)
    with pytest.raises(SetupError, match="git has no commit yet"):
        toy.retrain()
