import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

from flows.project import check_project
from mmcore.errors import SetupError

METRICS = {"n": 1, "answer/accuracy": 0.5, "answer/accuracy/low": 0.4, "answer/accuracy/high": 0.6}
SCORED = {
    "cmd": f"mkdir -p artifacts; echo '{json.dumps(METRICS)}' > artifacts/metrics.json; touch artifacts/report.html",
    "deps": ["in.txt"],
    "outs": ["artifacts/report.html"],
    "metrics": [{"artifacts/metrics.json": {"cache": False}}],
}


@pytest.fixture
def retrain(project, prefect_server):
    """Run it to its end with a server that is there already; gives exit code, output and errors."""

    def retrain(*arguments):
        process = project.retrain(*arguments, PREFECT_API_URL=prefect_server)
        output, errors = process.communicate(timeout=200)
        return process.returncode, output, errors

    return retrain


def test_a_run_ends_with_the_score_and_the_page_and_a_second_has_nothing_to_do(project, retrain):
    project.stages(score=SCORED)
    code, output, errors = retrain()
    assert code == 0, errors
    assert "answer/accuracy" in output
    assert "0.4000 to 0.6000" in output
    assert "artifacts/report.html" in output
    assert "ran" in errors
    code, output, errors = retrain()
    assert (code, errors) == (0, "")
    said, report = output.splitlines()
    assert said.startswith("Nothing to do: ")
    assert said.endswith(" answer/accuracy 0.5000 (0.4000 to 0.6000)")
    assert report == "The report: artifacts/report.html"


def test_nothing_to_do_is_found_without_prefect(project):
    project.stages(score=SCORED)
    project.reproduce()
    program = "import sys, flows.retrain as r; r.main(); sys.exit(' '.join({'prefect', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=project.environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("Nothing to do")
    assert done.stderr.strip() == ""


def test_json_stands_alone_on_stdout(project, retrain):
    project.stages(score=SCORED)
    code, output, _ = retrain("--json")
    told = json.loads(output)
    assert code == 0
    assert told["up_to_date"] is True
    assert [(stage["stage"], stage["status"]) for stage in told["stages"]] == [("score", "ran")]
    assert told["scores"][0]["value"] == 0.5
    assert json.loads(retrain("--json")[1])["stages"] == []


def test_force_runs_what_is_up_to_date(project, retrain):
    project.stages(count={"cmd": "echo x >> count; cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
    project.reproduce()
    assert retrain("--force")[0] == 0
    assert project.read("count").split() == ["x", "x"]


@pytest.mark.parametrize(("theirs", "ours"), [(2, 2), (1, 1)])
def test_a_failed_stage_decides_the_exit_code(project, retrain, theirs, ours):
    project.stages(bad={"cmd": f"echo 'No column answr.'; exit {theirs}", "deps": ["in.txt"], "outs": ["out.txt"]})
    code, output, errors = retrain()
    assert code == ours
    assert output == ""
    assert "bad failed: " in errors
    assert "No column answr." in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("missing", [".git", ".dvc", "dvc.yaml", "params.yaml"])
def test_what_is_missing_is_named(tmp_path, missing):
    for name in {".git", ".dvc", "dvc.yaml", "params.yaml"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(SetupError, match=missing.removeprefix(".")):
        check_project(tmp_path)


def test_what_the_user_can_mend_is_told_without_a_traceback(project):
    project.stages(score=SCORED)
    (project.root / "params.yaml").unlink()
    process = project.retrain()
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 2
    assert output == ""
    assert errors.startswith("error: Nothing can run in ")
    assert "mm compose" in errors
    assert "Traceback" not in errors


def test_no_jobs_are_refused(project):
    process = project.retrain("--jobs", "0")
    assert "--jobs: must be a number of at least 1, got '0'" in process.communicate(timeout=200)[1]
    assert process.returncode == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_stages_and_says_what_became_of_them(long_project, prefect_server, eventually, number, code):
    process = long_project.retrain(PREFECT_API_URL=prefect_server)
    assert eventually(lambda: pid_of(long_project) is not None)
    stage = pid_of(long_project)
    process.send_signal(number)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == code
    assert not running(stage)
    assert "stopped" in errors
    assert "because of a signal" in errors
    assert "Traceback" not in errors


@pytest.mark.slow  # a Prefect server of its own
def test_killed_it_leaves_nothing_running_and_can_start_again(
    long_project, prefect_server, prefect_database, eventually
):
    process = long_project.retrain(**prefect_database)  # with a Prefect server of its own, which has to go too
    assert eventually(lambda: pid_of(long_project) is not None)
    everything = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert pid_of(long_project) in everything
    process.kill()
    process.communicate()
    assert eventually(lambda: not any(map(running, everything)))
    long_project.write("long.py", "open('long.txt', 'w').close()")
    process = long_project.retrain(PREFECT_API_URL=prefect_server)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert long_project.status() == {}


@pytest.mark.slow  # a Prefect server of its own
def test_one_embedded_server_is_started_and_ends_with_the_flow(project, prefect_database):
    project.stages(score=SCORED)
    process = project.retrain(**prefect_database)
    parents = {}
    while process.poll() is None:
        found = [child for child in children_of(process) if {"flows.server", "uvicorn"} & set(command_of(child))]
        parents |= {child: parent_of(child) for child in found}
        time.sleep(0.1)
    # What a server starts is called as the server for the moment before it is another program.
    servers = [child for child, parent in parents.items() if parent not in {other.pid for other in parents}]
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert len(servers) == 1, servers
    assert not any(server.is_running() for server in servers)


def children_of(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def parent_of(process):
    try:
        return process.ppid()
    except psutil.Error:
        return None


def command_of(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def pid_of(project):
    """The process number of the long stage, once it has told it."""
    path = project.root / "pid"
    return int(path.read_text()) if path.exists() and path.read_text() else None


def running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
