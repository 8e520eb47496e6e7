import errno
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.stage import Stage

from flows.graph import Graph
from flows.outcome import Status
from flows.stop import Stop
from mmcore.errors import SetupError

COPY = {"cmd": "echo copying; cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}


def bring_up_to_date(*, force=False):
    """Every stage, one after another. Gives the status of each."""
    with closing(Graph()) as graph:
        return {name: graph.run(name, ignore, stop=Stop(), force=force).status for name in graph.needs}


def outcome_of(name, show=None, *, stop=None):
    with closing(Graph()) as graph:
        return graph.run(name, show or ignore, stop=stop or Stop())


def ignore(line):
    pass


def test_a_stage_runs_once_and_dvc_agrees(project):
    project.stages(copy=COPY)
    lines = []
    assert outcome_of("copy", lines.append).status is Status.RAN
    assert lines == [f"> {COPY['cmd']}", "copying"]
    assert project.read("out.txt") == "one\n"
    assert project.status() == {}
    assert project.reproduce() == []
    assert bring_up_to_date() == {"copy": Status.UNCHANGED}


def test_what_dvc_ran_is_unchanged_for_us(project):
    project.stages(copy=COPY)
    assert project.reproduce() == ["copy"]
    assert bring_up_to_date() == {"copy": Status.UNCHANGED}


def test_force_runs_what_is_unchanged(project):
    project.stages(copy=COPY)
    bring_up_to_date()
    assert bring_up_to_date(force=True) == {"copy": Status.RAN}


def test_going_back_restores_from_the_run_cache(project):
    project.stages(copy={**COPY, "cmd": "echo x >> count; cp in.txt out.txt"})
    bring_up_to_date()
    project.write("in.txt", "two\n")
    assert bring_up_to_date() == {"copy": Status.RAN}
    project.write("in.txt", "one\n")
    assert bring_up_to_date() == {"copy": Status.RESTORED}
    assert project.read("out.txt") == "one\n"
    assert project.read("count").split() == ["x", "x"]
    assert project.status() == {}


def test_an_output_that_was_deleted_is_restored(project):
    project.stages(copy=COPY)
    bring_up_to_date()
    (project.root / "out.txt").unlink()
    assert bring_up_to_date() == {"copy": Status.RESTORED}
    assert project.read("out.txt") == "one\n"


def test_a_parameter_of_the_stage_makes_it_stale_and_another_does_not(project):
    project.stages(copy={**COPY, "params": ["lr"]})
    project.write("params.yaml", "{lr: 1, epochs: 1}")
    bring_up_to_date()
    project.write("params.yaml", "{lr: 1, epochs: 2}")
    assert bring_up_to_date() == {"copy": Status.UNCHANGED}
    project.write("params.yaml", "{lr: 2, epochs: 2}")
    assert bring_up_to_date() == {"copy": Status.RAN}


def test_stale_names_what_has_to_run(project):
    project.stages(copy=COPY, other={"cmd": "echo 1 > other", "outs": ["other"]})
    with closing(Graph()) as graph:
        assert graph.stale() == ["copy", "other"]
    bring_up_to_date()
    project.write("in.txt", "two\n")
    with closing(Graph()) as graph:
        assert graph.stale() == ["copy"]


def test_stages_that_wait_for_each_other_run_side_by_side(project):
    meet = "touch {0}; for i in $(seq 2400); do [ -e {1} ] && exec touch {0}.out; sleep 0.05; done; exit 1"
    project.stages(
        left={"cmd": meet.format("left", "right"), "deps": ["in.txt"], "outs": ["left.out"]},
        right={"cmd": meet.format("right", "left"), "deps": ["in.txt"], "outs": ["right.out"]},
    )
    outcomes = []
    with closing(Graph()) as graph:
        threads = [
            threading.Thread(target=lambda name=name: outcomes.append(graph.run(name, ignore, stop=Stop())))
            for name in graph.needs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.status for outcome in outcomes] == [Status.RAN, Status.RAN]
    assert project.status() == {}


def test_many_stages_side_by_side_leave_a_lock_file_that_dvc_finds_right(project):
    names = [f"s{number}" for number in range(12)]
    project.stages(**{name: {"cmd": f"cp in.txt {name}", "deps": ["in.txt"], "outs": [name]} for name in names})
    with closing(Graph()) as graph:
        threads = [threading.Thread(target=graph.run, args=(name, ignore), kwargs={"stop": Stop()}) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert project.status() == {}
    assert locked(project) == []


def test_foreach_and_matrix_are_stages_of_their_own(project):
    project.write(
        "dvc.yaml",
        """
        stages:
          each:
            foreach: {left: 1, right: 2}
            do: {cmd: "echo ${item} > each-${key}", outs: ["each-${key}"]}
          grid:
            matrix: {size: [1, 2]}
            cmd: cat each-left > grid-${item.size}
            deps: [each-left]
            outs: ["grid-${item.size}"]
        """,
    )
    with closing(Graph()) as graph:
        assert graph.needs["grid@1"] == ("each@left",)
    assert set(bring_up_to_date().values()) == {Status.RAN}
    assert project.status() == {}


@pytest.mark.parametrize(
    ("command", "mendable", "reason"),
    [
        ("echo 'no such column'; exit 2", True, "^no such column$"),
        ("echo 'Traceback ...'; exit 1", False, "ended with exit code 1. Its last lines:\nTraceback"),
        ("kill -9 $$", False, "was ended by signal 9"),
        ("true", True, "output 'out.txt' does not exist"),
    ],
)
def test_a_failed_stage_says_why(project, command, mendable, reason):
    project.stages(copy={**COPY, "cmd": command})
    outcome = outcome_of("copy")
    assert outcome.status is Status.FAILED
    assert outcome.mendable is mendable
    assert re.search(reason, outcome.reason)


def test_a_missing_input_is_named(project):
    project.stages(copy={**COPY, "deps": ["nowhere.csv"]})
    outcome = outcome_of("copy")
    assert outcome.status is Status.FAILED
    assert "nowhere.csv" in outcome.reason


def test_the_first_command_that_fails_is_the_last(project):
    project.stages(copy={**COPY, "cmd": ["echo 1 > first", "false", "echo 3 > third"]})
    assert outcome_of("copy").status is Status.FAILED
    assert (project.root / "first").exists()
    assert not (project.root / "third").exists()


def test_an_input_that_changes_while_the_stage_runs_fails_it(project):
    project.stages(copy={**COPY, "cmd": "cp in.txt out.txt; [ -e again ] || echo two > in.txt; touch again"})
    outcome = outcome_of("copy")
    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith("Changed while it ran: in.txt.")
    assert not (project.root / "dvc.lock").exists()
    assert bring_up_to_date() == {"copy": Status.RAN}
    assert project.read("out.txt") == "two\n"


def test_a_timeout_in_dvc_yaml_ends_the_stage(project):
    project.stages(copy={**COPY, "cmd": "sleep 600", "meta": {"timeout_s": 0.3}})
    outcome = outcome_of("copy")
    assert outcome.status is Status.FAILED
    assert "took longer than its 0.3 s" in outcome.reason


def test_a_stop_leaves_a_stage_to_be_run_again(project):
    stop = Stop()
    project.stages(copy={**COPY, "cmd": "echo up; sleep 600"})
    assert outcome_of("copy", lambda _: stop.request(), stop=stop).status is Status.STOPPED
    with closing(Graph()) as graph:
        assert graph.stale() == ["copy"]


def test_commands_find_the_programs_of_this_environment_first(project):
    project.stages(copy={**COPY, "cmd": "command -v python > out.txt"})
    outcome_of("copy")
    assert Path(project.read("out.txt").strip()).parent == Path(sys.executable).parent


def test_data_that_changed_is_taken_in_and_its_users_run(project):
    project.write("data.csv", "1\n")
    with Repo(str(project.root)) as repo:
        repo.add("data.csv")
    project.stages(copy={"cmd": "cp data.csv out.csv", "deps": ["data.csv"], "outs": ["out.csv"]})
    assert bring_up_to_date() == {"data.csv.dvc": Status.UNCHANGED, "copy": Status.RAN}
    project.write("data.csv", "1\n2\n")
    assert bring_up_to_date() == {"data.csv.dvc": Status.RAN, "copy": Status.RAN}
    assert project.status() == {}


def test_an_import_stays_as_it_is_until_it_is_updated(project, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    with Repo(str(project.root)) as repo:
        repo.imp_url(str(tmp_path / "far.csv"), "near.csv")
    project.stages(copy={"cmd": "cp near.csv out.csv", "deps": ["near.csv"], "outs": ["out.csv"]})
    assert bring_up_to_date() == {"near.csv.dvc": Status.UNCHANGED, "copy": Status.RAN}
    (tmp_path / "far.csv").write_text("1\n2\n")
    assert bring_up_to_date() == {"near.csv.dvc": Status.UNCHANGED, "copy": Status.UNCHANGED}
    with Repo(str(project.root)) as repo:
        repo.update(["near.csv.dvc"])
    assert bring_up_to_date() == {"near.csv.dvc": Status.UNCHANGED, "copy": Status.RAN}
    assert project.read("out.csv") == "1\n2\n"


def test_an_import_that_may_move_is_fetched(project, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    with Repo(str(project.root)) as repo:
        repo.imp_url(str(tmp_path / "far.csv"), "near.csv")
        repo.unfreeze("near.csv.dvc")
    project.stages(copy={"cmd": "cp near.csv out.csv", "deps": ["near.csv"], "outs": ["out.csv"]})
    (tmp_path / "far.csv").write_text("1\n2\n")
    assert bring_up_to_date() == {"near.csv.dvc": Status.RAN, "copy": Status.RAN}
    assert project.read("out.csv") == "1\n2\n"
    assert project.status() == {}


def test_a_frozen_stage_does_not_follow_its_inputs(project):
    project.stages(
        copy={**COPY, "frozen": True}, use={"cmd": "cp out.txt use.txt", "deps": ["out.txt"], "outs": ["use.txt"]}
    )
    project.write("out.txt", "by hand\n")
    bring_up_to_date()
    project.write("in.txt", "two\n")
    assert bring_up_to_date(force=True) == {"copy": Status.UNCHANGED, "use": Status.RAN}
    assert project.read("use.txt") == "by hand\n"


def test_the_lock_of_a_process_that_was_killed_clears_itself(project):
    project.stages(copy=COPY)
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock(project, dead.pid)
    assert bring_up_to_date() == {"copy": Status.RAN}
    assert locked(project) == []


def test_it_waits_while_another_dvc_has_the_files(project):
    project.stages(copy=COPY)
    other = subprocess.Popen(["sleep", "60"])
    lock(project, other.pid)
    lines = []

    def show(line):
        lines.append(line)
        if line.startswith("Waiting"):
            other.kill()
            other.wait()

    assert outcome_of("copy", show).status is Status.RAN
    assert "out.txt' is busy" in lines[0]
    assert lines[-1] == "copying"


def test_a_stop_ends_the_waiting(project):
    project.stages(copy=COPY)
    lock(project, os.getppid())
    stop = Stop()
    assert outcome_of("copy", lambda _: stop.request(), stop=stop).status is Status.STOPPED


def locked(project):
    """The paths that anybody holds."""
    return [path for held in json.loads(project.read(".dvc/tmp/rwlock")).values() for path in held]


def lock(project, pid):
    """As another DVC does that writes `out.txt`."""
    entry = {"pid": pid, "cmd": "dvc repro"}
    project.write(".dvc/tmp/rwlock", json.dumps({"read": {}, "write": {str(project.root / "out.txt"): entry}}))


def test_a_neighbour_keeps_its_lock_on_a_file_that_both_read(project, eventually):
    project.stages(
        short={"cmd": "cp in.txt short", "deps": ["in.txt"], "outs": ["short"]},
        long={
            "cmd": "touch up; until [ -e go ]; do sleep 0.05; done; cp in.txt long",
            "deps": ["in.txt"],
            "outs": ["long"],
        },
    )
    with closing(Graph()) as graph:
        thread = threading.Thread(target=graph.run, args=("long", ignore), kwargs={"stop": Stop()})
        thread.start()
        assert eventually((project.root / "up").exists)
        graph.run("short", ignore, stop=Stop())
        held = json.loads(project.read(".dvc/tmp/rwlock"))
        (project.root / "go").touch()
        thread.join()
    assert list(held["read"]) == [str(project.root / "in.txt")]
    assert list(held["write"]) == [str(project.root / "long")]


def test_stages_that_cannot_be_read_are_the_users_to_mend(project):
    project.write("dvc.yaml", "stages: {copy: {cmd: 1, dept: [x]}}")
    with pytest.raises(SetupError, match=r"DVC cannot read the stages in .*dvc\.yaml"):
        Graph()


@pytest.mark.parametrize("text", ["", "schema: '2.0'\nstages: ["])
def test_a_damaged_lock_file_is_told_with_what_mends_it(project, text):
    project.stages(copy=COPY)
    project.write("dvc.lock", text)
    with pytest.raises(SetupError, match=r"(?s)dvc\.lock.*`git checkout HEAD -- dvc\.lock`"):
        Graph()


def test_a_damaged_list_of_what_is_in_use_is_told_with_what_mends_it(project):
    project.stages(copy=COPY)
    project.write(".dvc/tmp/rwlock", "")
    outcome = outcome_of("copy")
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    assert "`rm .dvc/tmp/rwlock`" in outcome.reason


def test_a_circle_is_told(project):
    project.stages(one={"cmd": "true", "deps": ["a"], "outs": ["b"]}, two={"cmd": "true", "deps": ["b"], "outs": ["a"]})
    with pytest.raises(SetupError, match=r"a dependency and an output in stages: (one, two|two, one)"):
        Graph()


def test_a_full_disk_fails_the_stage_and_with_room_again_it_goes_on(project, monkeypatch):
    project.stages(copy=COPY)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "commit", full)
        outcome = outcome_of("copy")
    assert (outcome.status, outcome.mendable) == (Status.FAILED, True)
    assert "No space left on device" in outcome.reason
    assert locked(project) == []
    assert bring_up_to_date() == {"copy": Status.RAN}
    assert project.status() == {}


def test_an_import_from_another_repository_is_left_alone_until_it_is_updated(project, tmp_path):
    far = tmp_path / "far"
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    subprocess.run(["git", "init", "-q", str(far)], check=True)
    (far / "rows.csv").write_text("1\n")
    subprocess.run(["git", "add", "-A"], cwd=far, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "rows"], cwd=far, check=True)
    with Repo(str(project.root)) as repo:
        repo.imp(str(far), "rows.csv", "near.csv")
    project.stages(copy={"cmd": "cp near.csv out.csv", "deps": ["near.csv"], "outs": ["out.csv"]})
    assert bring_up_to_date() == {"near.csv.dvc": Status.UNCHANGED, "copy": Status.RAN}
    (far / "rows.csv").write_text("2\n")
    subprocess.run(["git", *identity, "commit", "-q", "-a", "-m", "other rows"], cwd=far, check=True)
    assert bring_up_to_date() == {"near.csv.dvc": Status.UNCHANGED, "copy": Status.UNCHANGED}
