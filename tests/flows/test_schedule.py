"""A real server, told of a schedule again and again."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Late

import flows.schedule as schedule_command
from flows.schedule import schedule
from flows.timetable import Server, Timetable

DAILY, QUARTERS = "0 2 * * *", "*/15 * * * *"


class Told:
    """A server that was told of a schedule, and had an outage of four days since."""

    def __init__(self, client):
        self.client = client
        self.tell()

    def tell(self, *, cron=DAILY, check=QUARTERS):
        return schedule(Timetable(cron=cron, check=check, server=Server(pool="overdue")))

    def deployment(self, name):
        return self.client.read_deployment_by_name(f"nightly/{name}").id

    def miss(self, name, *, hours):
        """Have the clock schedule what lies in the past, as it did before an outage."""
        now = datetime.now(UTC)
        span = {"start_time": f"{now - timedelta(hours=hours):%FT%TZ}", "end_time": f"{now:%FT%TZ}"}
        self.client.request(
            "POST", "/deployments/{id}/schedule", path_params={"id": self.deployment(name)},
            json={**span, "min_runs": 12},
        )  # fmt: skip

    def runs(self, name):
        wanted = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment(name)]))
        return self.client.read_flow_runs(deployment_filter=wanted, sort="EXPECTED_START_TIME_ASC")


@pytest.fixture
def told(prefect_server):
    with get_client(sync_client=True) as client:
        made = Told(client)
        yield made
        for name in ("nightly", "when-data-changes"):
            client.delete_deployment(made.deployment(name))
        client.delete_work_pool("overdue")


def test_after_an_outage_the_newest_night_is_made_up_for_and_no_other_run(told):
    told.miss("nightly", hours=96)
    told.miss("when-data-changes", hours=4)
    nights, checks = told.runs("nightly"), told.runs("when-data-changes")
    assert min(len(nights), len(checks)) > 1
    told.client.set_flow_run_state(nights[0].id, Late(), force=True)
    dropped = len(nights) - 1 + len(checks)
    assert told.tell()[-1] == f"Runs by the clock that were missed and are not made up for: {dropped}."
    assert [run.id for run in told.runs("nightly")] == [nights[-1].id]
    assert told.runs("when-data-changes") == []
    assert len(told.tell()) == 2


def test_a_schedule_that_was_taken_out_of_the_file_leaves_no_run_behind(told):
    told.miss("nightly", hours=96)
    told.client.request(
        "POST", "/deployments/{id}/schedule", path_params={"id": told.deployment("nightly")}, json={"min_runs": 3}
    )
    assert len(told.runs("nightly")) > 4
    told.tell(cron=None)
    assert told.runs("nightly") == []
    assert told.client.read_deployment_schedules(told.deployment("nightly")) == []


def test_a_run_that_somebody_asked_for_stays(told):
    told.miss("nightly", hours=48)
    by_hand = told.client.create_flow_run_from_deployment(told.deployment("nightly"), state=Late())
    told.tell(cron=None)
    assert [run.id for run in told.runs("nightly")] == [by_hand.id]


@pytest.fixture
def tell(prefect_server, tmp_path, monkeypatch, capsys):
    """The command, of a server that is asked for `error`; gives what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(schedule_command, "check_project", lambda root: None)
    monkeypatch.setattr("sys.argv", ["schedule"])

    def tell(error):
        def refusing(**_):
            raise error

        monkeypatch.setattr(schedule_command, "get_client", refusing)
        assert schedule_command.main() == 2
        return capsys.readouterr()

    return tell


def test_a_server_that_is_not_there_is_told_and_nothing_is_said_to_be_scheduled(tell):
    told = tell(httpx.ConnectError("All connection attempts failed"))
    assert "does not answer (ConnectError)" in told.err
    assert told.out == ""


def test_what_a_server_refuses_is_told_in_its_words(tell):
    request = httpx.Request("POST", "http://far/api/work_pools/")
    answer = httpx.Response(401, json={"exception_message": "Unauthorized"}, request=request)
    told = tell(PrefectHTTPStatusError("Client error", request=request, response=answer))
    assert "answers 401 Unauthorized (" in told.err
    assert '"exception_message"' in told.err
    assert "PREFECT_API_AUTH_STRING" in told.err
    assert "Start it" not in told.err
    assert told.out == ""
