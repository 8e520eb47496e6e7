"""What a retraining fetches and releases, what it tells, and what it leaves alone."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import yaml

import flows.retrain
from flows.locks import only_one, state_of
from mmcore.errors import ArtifactError, ConfigError, SetupError
from mmcore.releases.fetch import fetch
from tests.flows.releases.conftest import PARAMS


def test_the_first_model_is_released_where_that_is_asked_for(toy, capsys):
    assert toy.retrain() == 0
    assert toy.in_use() == "v1.0.0"
    assert toy.record()["release"]["version"] == "v1.0.0"
    assert "prod is v1.0.0" in capsys.readouterr().out
    assert toy.fetched(stage="prod") == "1"


def test_without_being_asked_nothing_is_written_to_git(toy, capsys):
    before = toy.git.run("for-each-ref")
    assert toy.retrain(release=False) == 0
    assert toy.git.run("for-each-ref") == before
    assert "No model is in use yet" in capsys.readouterr().out
    assert not (toy.root / "artifacts" / "verdict.json").exists()


def test_params_yaml_can_ask_for_releases(toy):
    assert toy.retrain(release=None) == 0
    assert toy.in_use() == "v1.0.0"


def test_a_better_model_takes_the_place_and_a_worse_one_does_not(released):
    released.data(2)
    assert released.retrain() == 0
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.1.0", "2")
    released.data(0)
    assert released.retrain() == 0
    assert (released.in_use(), released.record()["verdict"]) == ("v1.1.0", "REJECT")
    assert [look.verdict for look in released.looks()] == ["PROMOTE", "REJECT"]


def test_a_plugin_that_was_uninstalled_is_told_where_there_is_nothing_to_do(released):
    gone = [{"name": "mm-gone", "version": "0.1.0", "digest": "0" * 16}]
    training = {**PARAMS["training"], "packages": gone}
    released.project.write("params.yaml", yaml.safe_dump({**PARAMS, "training": training}))
    with pytest.raises(ConfigError, match=r"mm-gone 0\.1\.0, which is not installed\. Run `pip install mm-gone==0"):
        released.retrain()


def test_a_plugin_of_the_model_in_use_is_missed_too(released):
    folder = fetch(released.git, released.registry().current("prod"))
    (folder / "model.yaml").write_text("packages: {mm-gone: 0.1.0}\n")
    with pytest.raises(ArtifactError, match=r"released/\w+ was made with mm-gone 0\.1\.0, which is not installed"):
        released.retrain()
    (folder / "model.yaml").write_text(f"packages: {{mmcore: {version('mmcore')}}}\n")
    assert released.retrain() == 0


def test_json_has_the_verdict_and_the_release(released, capsys):
    released.data(2)
    capsys.readouterr()
    released.retrain(as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["verdict"] == "PROMOTE"
    assert told["release"]["number"] == "v1.1.0"


def test_models_that_cannot_be_compared_are_for_a_person_to_mend(released, monkeypatch, capsys):
    def unjudged(*_):
        record = {**released.record(), "verdict": "HOLD", "judged": False, "reasons": ["mm-old is not installed."]}
        (released.root / "artifacts" / "verdict.json").write_text(json.dumps({**record, "champion": None}))

    released.data(2)
    monkeypatch.setattr(flows.judging, "run_mm", unjudged)
    assert released.retrain() == 2
    assert released.in_use() == "v1.0.0"
    assert "mm-old is not installed." in capsys.readouterr().out


def test_what_there_is_to_know_of_a_verdict_stands_in_the_terminal(released, capsys):
    record = {**released.record(), "notes": ["'photo' is taken from 'picture' today."]}
    flows.retrain.tell_of_verdict(flows.retrain.Result(record=record))
    assert "  'photo' is taken from 'picture' today.\n" in capsys.readouterr().out


def test_a_second_retraining_is_refused_and_says_who_is_at_work(toy):
    with only_one(toy.git, "retraining", wait=False), pytest.raises(SetupError, match=f"process {os.getpid()}.*--wait"):
        toy.retrain()


def test_a_second_retraining_can_wait_for_the_first(toy):
    with only_one(toy.git, "retraining", wait=False):
        code = (
            "from pathlib import Path; from flows.locks import only_one; from mmcore.releases.git import Git\n"
            "with only_one(Git(Path()), 'retraining', wait=True): print('mine')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=toy.root, env=toy.project.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert "Waiting for it to end" in process.stderr.readline()
        assert process.poll() is None
    assert process.communicate(timeout=200)[0] == "mine\n"


def test_the_lock_is_one_for_all_worktrees(toy, tmp_path):
    from mmcore.releases.git import Git

    toy.git.run("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    assert state_of(Git(tmp_path / "other")) == state_of(toy.git)


def test_a_person_s_work_is_left_as_it_is(released):
    released.project.write("notes.txt", "half a thought")
    released.project.write("staged.txt", "to be committed")
    released.git.run("add", "staged.txt")
    released.project.write("params.yaml", released.project.read("params.yaml") + "# an edit\n")
    released.data(2)
    before = released.git.run("status", "--porcelain", "--untracked-files=all")
    head = released.git.run("rev-parse", "HEAD"), released.git.run("symbolic-ref", "HEAD")
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert released.git.run("status", "--porcelain", "--untracked-files=all") == before
    assert (released.git.run("rev-parse", "HEAD"), released.git.run("symbolic-ref", "HEAD")) == head
    kept = released.git.run("ls-tree", "-r", "--name-only", "releases").splitlines()
    assert "notes.txt" not in kept
    assert "staged.txt" not in kept


def test_a_release_holds_what_it_was_made_of_committed_or_not(released):
    released.data(2)  # in.txt, which git knows and nobody committed
    released.retrain()
    assert released.git.file("releases", "in.txt") == "2"
    assert "artifacts/model" in released.git.file("releases", "dvc.lock")
    assert json.loads(released.git.file("releases", "artifacts/metrics.json"))["t/m"] == 2
    card = released.git.file("releases", "releases/card.md")
    assert "# model v1.1.0" in card
    assert "| t/m | 2.0000 |" in card


def test_imported_data_is_brought_up_to_date(toy, tmp_path):
    far = tmp_path / "far.txt"
    far.write_text("1\n")
    (toy.root / "in.txt").unlink()
    toy.git.run("rm", "-q", "--cached", "in.txt")
    run_dvc(toy, "import-url", "-q", str(far), "in.txt")
    toy.commit()
    assert toy.retrain() == 0
    far.write_text("2\n")
    assert toy.retrain() == 0
    assert toy.fetched(stage="prod") == "2"
    assert toy.git.file("releases", "in.txt.dvc") == (toy.root / "in.txt.dvc").read_text().rstrip("\n")


def test_a_source_that_cannot_be_reached_is_told_and_not_taken_for_no_news(toy, tmp_path):
    far = tmp_path / "far.txt"
    far.write_text("1\n")
    run_dvc(toy, "import-url", "-q", str(far), "far.txt")
    far.unlink()
    with pytest.raises(SetupError, match=r"dvc update far\.txt\.dvc` failed, .* known: ERROR: .*far\.txt"):
        toy.retrain()


def test_a_machine_where_git_knows_nobody_releases_all_the_same(toy, monkeypatch, tmp_path):
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    assert toy.retrain() == 0
    assert toy.in_use() == "v1.0.0"
    assert "mmcore" in toy.git.run("show", "-s", "--format=%an", "releases")


def test_an_artifact_that_dvc_yaml_does_not_name_is_told_before_anything_is_written(toy):
    toy.project.write("params.yaml", yaml.safe_dump({**PARAMS, "release": {"enabled": True, "name": "other"}}))
    with pytest.raises(SetupError, match="no artifact 'other'"):
        toy.retrain()
    assert toy.git.run("for-each-ref", "refs/tags", "refs/heads/releases") == ""


def test_a_branch_that_is_checked_out_is_not_moved(released):
    released.git.run("checkout", "-q", "-f", "releases")
    tip = released.git.run("rev-parse", "releases")
    released.data(2)
    with pytest.raises(SetupError, match="is checked out in"):
        released.retrain()
    assert released.git.run("rev-parse", "releases") == tip


def test_a_training_can_start_from_the_model_in_use(toy):
    toy.project.write("params.yaml", yaml.safe_dump({**PARAMS, "training": {"start_from": "champion"}}))
    champion = toy.root / "artifacts" / "champion"
    assert toy.retrain() == 0
    assert [path.name for path in champion.iterdir()] == ["none"]
    toy.data(2)
    assert toy.retrain() == 0
    assert (champion / "value").read_text() == "1\n"
    toy.data(3)
    toy.retrain()
    assert (champion / "value").read_text() == "2\n"
    assert [path.name for path in champion.iterdir()] == ["value"]


def run_dvc(toy, *arguments):
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=toy.root, check=True)


def test_the_settings_have_their_defaults_where_params_yaml_has_none(toy):
    from flows.settings import release_settings

    toy.project.write("params.yaml", yaml.safe_dump({"training": {}}))
    assert release_settings(toy.root).enabled is False
