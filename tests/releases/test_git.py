"""git as a program, whatever its user has told it."""

import json
import os
import signal
import subprocess
from types import SimpleNamespace

import pytest

import mmcore.releases.git
from mmcore.errors import SetupError
from mmcore.releases.git import Git, NoAnswer
from mmcore.releases.tags import read_registry, register


@pytest.fixture
def git(tmp_path):
    made = Git(tmp_path)
    made.run("init", "-q")
    made.run("commit", "-q", "--allow-empty", "-m", "one", environment=made.identity())
    return made


def test_names_of_files_are_told_as_they_are(git):
    (git.root / "数据.csv.dvc").touch()
    assert git.run("ls-files", "--others") == "数据.csv.dvc"


def test_what_a_user_set_for_his_own_eyes_does_not_come_before_a_format(git):
    git.run("config", "log.showSignature", "true")
    signed = git.run("cat-file", "commit", "HEAD").replace("\n\n", "\ngpgsig none\n\n", 1)
    commit = git.run("hash-object", "-t", "commit", "-w", "--stdin", given=f"{signed}\n".encode())
    assert git.run("show", "-s", "--format=%s", commit) == "one"


def test_what_git_refuses_is_told_without_what_we_put_before_it(git):
    with pytest.raises(SetupError, match="`git show nothing` failed") as caught:
        git.run("show", "nothing")
    assert "quotePath" not in str(caught.value)


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0c"])
def test_signs_that_python_takes_for_ends_of_lines_are_parts_of_subjects_and_names(git, sign):
    register(
        git, "model", "v1.0.0", commit=git.run("rev-parse", "HEAD"), message=f"pasted{sign}words", now=1_800_000_000
    )
    (version,) = read_registry(git, "model").versions
    assert version.message.startswith("pasted")
    assert version.message.endswith("words")
    (git.root / f"a{sign}b.dvc").touch()
    assert len(git.lines("ls-files", "--others")) == 1


@pytest.mark.parametrize("protocol", ["git", "http"])
def test_a_remote_that_says_nothing_is_given_up_with_whatever_talks_to_it(git, silent, monkeypatch, protocol):
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 0.5)
    git.run("remote", "add", "far", f"{protocol}://{silent.address}/x")
    with pytest.raises(NoAnswer, match=r"`git push` in .* far said nothing for 0\.5 s.*`git ls-remote far` answers"):
        git.run("push", "far", "HEAD:refs/heads/main")
    assert silent.is_left()


@pytest.mark.parametrize("somebody", [True, False])
def test_a_password_is_asked_for_where_somebody_sits_at_a_terminal(git, monkeypatch, somebody):
    asked, popen = [], subprocess.Popen

    def noted(command, **how):
        asked.append((how["start_new_session"], how["env"].get("GIT_TERMINAL_PROMPT")))
        return popen(command, **how)

    git.run("init", "-q", "--bare", "far.git")
    monkeypatch.delenv("GIT_TERMINAL_PROMPT", raising=False)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: somebody))
    monkeypatch.setattr(mmcore.releases.git.subprocess, "Popen", noted)
    git._ask_far(["push", "far.git", "HEAD:refs/heads/main"], dict(os.environ))

    assert asked == [(False, None) if somebody else (True, "0")]


def test_a_remote_that_goes_on_telling_is_waited_for(git, monkeypatch):
    ended, heard = subprocess.Popen.communicate, iter([b"Receiving objects: 1%", b"Receiving objects: 1%\r2%"])

    def slowly(process, *, timeout):
        told = next(heard, None)
        if told is not None:
            raise subprocess.TimeoutExpired("git", timeout, stderr=told)
        return ended(process, timeout=timeout)

    git.run("init", "-q", "--bare", "far.git")
    monkeypatch.setattr(subprocess.Popen, "communicate", slowly)
    git.run("push", "far.git", "HEAD:refs/heads/main")
    assert next(heard, None) is None


@pytest.fixture
def hook(git):
    """Writes one of the clone's own, which a push to the remote `far.git` runs."""
    git.run("init", "-q", "--bare", "far.git")

    def hook(*lines):
        path = git.root / ".git" / "hooks" / "pre-push"
        path.write_text("\n".join(["#!/bin/sh", *lines]))
        path.chmod(0o755)

    return hook


def test_a_hook_takes_as_long_as_it_needs(git, hook, monkeypatch):
    hook("while [ ! -e go ]; do sleep 0.05; done")
    look, answers = mmcore.releases.git._is_in_a_hook, []

    def looked(events):
        answers.append(look(events))
        monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 120)
        (git.root / "go").touch()
        return answers[-1]

    monkeypatch.setattr(mmcore.releases.git, "_is_in_a_hook", looked)
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 1)
    git.run("push", "far.git", "HEAD:refs/heads/main")
    assert answers == [True]


def test_a_hook_that_has_ended_is_no_reason_for_silence(tmp_path):
    child = {"sid": "1/2", "child_id": 0}
    events = [{"event": "child_start", "child_class": "hook", **child}, {"event": "child_exit", **child}]
    (tmp_path / "events").write_text("\n".join(map(json.dumps, events)) + '\n{"event": "child_st')
    assert not mmcore.releases.git._is_in_a_hook(tmp_path / "events")


def test_what_a_hook_has_left_behind_is_not_waited_for(git, hook, monkeypatch):
    hook("sleep 60 &", "echo $! > left")
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 10)
    try:
        git.run("push", "far.git", "HEAD:refs/heads/main")
    finally:
        os.kill(int((git.root / "left").read_text()), signal.SIGKILL)
    assert git.run("ls-remote", "far.git", "refs/heads/main")


def test_what_a_remote_refuses_is_told_without_the_progress_before_it(git):
    git.run("init", "-q", "--bare", "far.git")
    hook = git.root / "far.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(SetupError, match="not today") as caught:
        git.run("push", "far.git", "HEAD:refs/heads/main")
    assert "objects" not in str(caught.value)
    assert "Total" not in str(caught.value)


def test_without_the_program_git_it_is_told_what_to_install(git, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SetupError, match=r"no program git on PATH\. Install it"):
        git.ask("status")
