"""git as a program, whatever its user has told it."""

import pytest

from mmcore.errors import SetupError
from mmcore.releases.git import Git
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
