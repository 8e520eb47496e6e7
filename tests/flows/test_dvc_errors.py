"""What is quoted of a command of DVC that failed: its errors, in a line of bounded length."""

import shutil
import subprocess
import sys

from dvc.repo import Repo

from flows.dvc_errors import CAUSES, LONGEST, reason_of


def reason(stderr):
    return reason_of(subprocess.CompletedProcess(["dvc"], 1, stdout="", stderr=stderr))


def test_of_many_errors_the_first_and_the_last_are_quoted_and_the_others_counted():
    files = [f"ERROR: failed to transfer 'md5: {number}'" for number in range(300)]
    told = reason("\n".join(["Collecting", *files, "ERROR: failed to pull data from the cloud"]))
    assert told == (
        "ERROR: failed to transfer 'md5: 0' ERROR: failed to transfer 'md5: 1' (and 298 more) "
        "ERROR: failed to pull data from the cloud"
    )


def test_the_lines_below_the_last_error_belong_to_it():
    told = reason("ERROR: no room\nERROR: checkout failed for following targets:\ndata/t\ndata/u\n\nAny troubles?")
    assert told == "ERROR: no room ERROR: checkout failed for following targets: data/t data/u"


def test_a_long_error_is_cut():
    targets = "\n".join(f"data/{number}.csv" for number in range(300))
    told = reason(f"ERROR: {'x' * 5000}\nERROR: checkout failed for:\n{targets}")
    assert [len(error) for error in told.split(" ERROR")] == [LONGEST, LONGEST - len(" ERROR") + 1]
    assert told.count("…") == 2


def test_without_errors_what_was_said_last_is_quoted_and_cut_too():
    assert reason("\n".join(map(str, range(8)))) == "3 4 5 6 7"
    assert len(reason("x" * 5000)) == LONGEST
    assert reason("") == "it ended with 1"


def test_a_pull_of_a_folder_whose_files_are_gone_is_told_in_short(project, tmp_path):
    for number in range(40):
        project.write(f"data/{number}", str(number))
    project.write(".dvc/config", f"[core]\n    remote = far\n['remote \"far\"']\n    url = {tmp_path / 'far'}\n")
    with Repo(str(project.root)) as repo:
        repo.add("data")
        repo.push()
    for path in (tmp_path / "far" / "files" / "md5").rglob("*"):
        if path.is_file() and path.suffix != ".dir":
            path.unlink()
    shutil.rmtree(project.root / "data")
    shutil.rmtree(project.root / ".dvc" / "cache")
    pull = [sys.executable, "-m", "dvc", "pull"]
    told = reason_of(subprocess.run(pull, cwd=project.root, capture_output=True, text=True, check=False))
    assert f"(and {40 - CAUSES} more)" in told
    assert "ERROR: failed to pull data from the cloud" in told
    assert len(told) < (CAUSES + 2) * LONGEST
