import shlex
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress

import pytest

from flows import settings
from flows.graph import Graph
from flows.outcome import Status
from flows.pipeline import run_pipeline
from mmcore.errors import ConfigError, SetupError
from tests.packages import found_in, write_package

pytestmark = pytest.mark.usefixtures("prefect_server")


def statuses(**options):
    return {outcome.stage: outcome.status for outcome in run_pipeline(**{"jobs": 2, "force": False, **options})}


def copy(source, target):
    return {"cmd": f"cp {source} {target}", "deps": [source], "outs": [target]}


def test_every_stage_runs_once_and_dvc_repro_has_nothing_left_to_do(project, capfd):
    empty = {"cmd": "touch r.txt", "deps": ["in.txt"], "outs": ["r.txt"]}
    project.stages(left=copy("in.txt", "l.txt"), right=empty, under=copy("l.txt", "u.txt"))
    assert statuses() == {"left": Status.RAN, "right": Status.RAN, "under": Status.RAN}
    assert project.status() == {}
    assert project.reproduce() == []
    assert statuses() == {"left": Status.UNCHANGED, "right": Status.UNCHANGED, "under": Status.UNCHANGED}
    output = capfd.readouterr()
    assert output.out == ""
    assert "unchanged" in output.err
    assert "prefect" not in output.err.lower()
    assert "WARNING" not in output.err


def test_independent_stages_run_side_by_side(project):
    meet = "touch {0}; for i in $(seq 2400); do [ -e {1} ] && exec touch {0}.out; sleep 0.05; done; exit 1"
    project.stages(
        left={"cmd": meet.format("left", "right"), "deps": ["in.txt"], "outs": ["left.out"]},
        right={"cmd": meet.format("right", "left"), "deps": ["in.txt"], "outs": ["right.out"]},
    )
    assert statuses() == {"left": Status.RAN, "right": Status.RAN}


def test_a_failure_skips_its_dependents_and_nothing_else(project, capfd):
    project.stages(
        bad={"cmd": "echo 'it is broken' >&2; exit 2", "deps": ["in.txt"], "outs": ["bad.txt"]},
        after=copy("bad.txt", "after.txt"),
        last=copy("after.txt", "last.txt"),
        good=copy("in.txt", "good.txt"),
    )
    outcomes = {outcome.stage: outcome for outcome in run_pipeline(jobs=1, force=False)}
    assert outcomes["bad"].status is Status.FAILED
    assert outcomes["bad"].reason == "it is broken"
    assert outcomes["good"].status is Status.RAN
    assert outcomes["after"].status is outcomes["last"].status is Status.SKIPPED
    assert outcomes["last"].reason == "because of bad"
    told = capfd.readouterr().err
    assert "bad | it is broken" in told
    assert "Traceback" not in told
    assert statuses()["good"] is Status.UNCHANGED


def test_stages_with_one_mutex_never_meet_and_a_gpu_is_for_one_at_a_time(project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    alone = "mkdir {0} && sleep 0.2 && rmdir {0} && echo $CUDA_VISIBLE_DEVICES > {1}"
    project.stages(
        **{
            name: {"cmd": alone.format(lock, name), "deps": ["in.txt"], "outs": [name], "meta": meta}
            for name, lock, meta in [
                ("a", "held", {"mutex": "held"}),
                ("b", "held", {"mutex": "held"}),
                ("c", "used", {"gpu": 1}),
                ("d", "used", {"gpu": 1}),
            ]
        }
    )
    assert set(statuses(jobs=4).values()) == {Status.RAN}
    assert project.read("d") == "7\n"


def test_more_gpus_than_there_are_is_told_before_anything_runs(project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    project.stages(big={"cmd": "touch ran", "outs": ["ran"], "meta": {"gpu": 2}})
    with pytest.raises(SetupError, match=r"Stage big asks for 2 GPUs .* there are 1"):
        statuses()


def test_an_encoder_of_another_modality_is_told_before_anything_runs(project, tmp_path, monkeypatch):
    project.stages(good=copy("in.txt", "good.txt"))
    field = "{column: words, modality: {name: text}, encoder: {name: eye}, fit: [words], code: mmcore}"
    project.write("params.yaml", f"fields: {{words: {field}}}")
    write_package(
        tmp_path / "site",
        "run-parts",
        plugins={"modality": {"text": "text:Text"}, "encoder": {"eye": "eye:Eye"}},
        modules={"text": "class Text: ...\n", "eye": "class Eye:\n    consumes = 'image'\n"},
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(settings, "installed", lambda: found_in(tmp_path / "site"))
    with pytest.raises(ConfigError, match=r"fields.words.encoder: 'eye' reads 'image', but .* is 'text'"):
        statuses()
    assert not (project.root / "good.txt").exists()


def test_a_fault_is_tried_again_and_what_the_user_has_to_mend_is_not(project, capfd):
    once = "echo x >> tried.{0}; [ $(wc -l < tried.{0}) -ge 3 ] && touch {0} || exit {1}"
    project.stages(
        **{
            name: {"cmd": once.format(name, code), "outs": [name], "meta": {"retries": 2, "retry_delay_s": 0.1}}
            for name, code in [("fault", 1), ("user", 2)]
        }
    )
    outcomes = {outcome.stage: outcome for outcome in run_pipeline(jobs=2, force=False)}
    assert (outcomes["fault"].status, outcomes["fault"].tries) == (Status.RAN, 3)
    assert (outcomes["user"].status, outcomes["user"].tries) == (Status.FAILED, 1)
    assert "fault | " in capfd.readouterr().err


def test_the_outcomes_are_kept_as_a_table_and_the_lines_as_logs(project, eventually):
    import json

    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    project.stages(
        talk={"cmd": "echo 'told to nobody else'; cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
    )
    statuses()
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["outcomes"]))
        tables = client.read_artifacts(artifact_filter=wanted)
        # Prefect sends lines in batches, some seconds apart.
        assert eventually(lambda: "told to nobody else" in [log.message for log in client.read_logs(limit=200)])
        names = [run.name for run in client.read_task_runs()]
    assert any(row["stage"] == "talk" and row["status"] == "ran" for table in tables for row in json.loads(table.data))
    assert "talk" in names


def test_a_fault_of_ours_is_raised_and_not_mistaken_for_a_stage_that_failed(project, monkeypatch):
    project.stages(copy=copy("in.txt", "out.txt"))

    def broken(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Graph, "run", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        statuses()


def test_plain_dvc_beside_it_stays_right(project):
    project.stages(
        slow={"cmd": "touch up; until [ -e go ]; do sleep 0.05; done; cp in.txt s", "deps": ["in.txt"], "outs": ["s"]},
        other=copy("in.txt", "o.txt"),
    )
    repro = f"{shlex.quote(sys.executable)} -m dvc repro -q other"
    beside = f"until [ -e up ]; do sleep 0.05; done; {repro}; code=$?; touch go; exit $code"
    terminal = subprocess.Popen(["sh", "-c", beside])
    assert statuses(jobs=1)["slow"] is Status.RAN
    assert terminal.wait() == 0
    assert project.status() == {}
    with closing(Graph()) as graph:
        assert graph.stale() == []


def test_it_is_a_command_too(project, prefect_server):
    project.stages(good=copy("in.txt", "good.txt"), bad={"cmd": "exit 2", "deps": ["in.txt"], "outs": ["bad.txt"]})
    process = project.start("flows.pipeline", "--jobs", "1", PREFECT_API_URL=prefect_server)
    output, errors = process.communicate(timeout=200)
    assert (process.returncode, output) == (2, "")
    assert "Traceback" not in errors
    assert project.read("good.txt") == "one\n"


class Link:
    """A way to the server that can be cut."""

    def __init__(self, port):
        self._port, self._open = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                for source, target in [(near, far), (far, near)]:
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def cut(self):
        for each in [self.listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def test_stages_go_on_to_the_end_when_the_server_is_gone(project, prefect_server, eventually):
    link = Link(int(prefect_server.rpartition(":")[2].partition("/")[0]))
    project.stages(
        slow={"cmd": "touch up; until [ -e go ]; do sleep 0.05; done; cp in.txt s", "deps": ["in.txt"], "outs": ["s"]},
        after=copy("s", "after.txt"),
    )
    process = project.start("flows.pipeline", PREFECT_API_URL=link.address, PREFECT_CLIENT_MAX_RETRIES="0")
    assert eventually((project.root / "up").exists)
    link.cut()
    (project.root / "go").touch()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Prefect's server went away" in errors
    assert project.status() == {}
    assert project.read("after.txt") == "one\n"


def test_a_server_that_is_not_there_from_the_start_is_told(project):
    project.stages(good=copy("in.txt", "good.txt"))
    process = project.start("flows.pipeline", PREFECT_API_URL="http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES="0")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 2
    assert "Prefect's server at http://127.0.0.1:1/api does not answer" in errors


@pytest.mark.slow  # a Prefect server of its own, for which Prefect waits
def test_a_damaged_database_of_our_own_server_is_told_in_a_few_lines(project, tmp_path):
    project.stages(good=copy("in.txt", "good.txt"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "prefect.db").write_bytes(b"no database at all" * 1000)
    process = project.start("flows.pipeline", PREFECT_HOME=str(home), PREFECT_CLIENT_MAX_RETRIES="0")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 2
    assert "file is not a database" in errors
    assert f"`rm {home / 'prefect.db'}*`" in errors
    assert "unset PREFECT_API_URL" not in errors
    assert len(errors.splitlines()) < 5
