import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingConcurrencySlot, Cancelled, Completed, Crashed, Failed, Late, Running, Scheduled

import flows.watch
from flows.record import read_record
from flows.timetable import Timetable
from flows.watch import CHECK, NIGHTLY, Seen, Watch, due_times, find_news, look

NIGHT = datetime(2030, 1, 2, 2, 0, tzinfo=UTC)
GRACE = timedelta(minutes=30)
LATER = NIGHT + timedelta(hours=1)


def run(state, *, at=NIGHT, started=None, ended=None):
    return FlowRun(
        id=uuid.uuid4(), flow_id=uuid.uuid4(), name="some-run", state=state, state_type=state.type,
        state_name=state.name, expected_start_time=at, start_time=started, end_time=ended,
    )  # fmt: skip


def kinds(*runs, checks=(), due=(NIGHT,), now=LATER, since=NIGHT, paused=False):
    found = find_news(Seen(runs, checks, paused=paused), due, since=since, now=now, grace=GRACE)
    return sorted(news.kind for news in found.values())


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Failed(message="No column answr."), ["failed"]),
        (Crashed(message="The worker was killed."), ["failed"]),
        (Completed(message="Retrained."), ["done"]),
        (Completed(name="Nothing new"), []),
        (Cancelled(), []),
        (Running(), []),
    ],
)
def test_what_is_told_of_a_run(state, told):
    assert kinds(run(state, started=NIGHT, ended=LATER)) == told


@pytest.mark.parametrize("state", [Late(), Scheduled(), AwaitingConcurrencySlot()])
def test_a_run_that_has_not_started_in_time_is_missed(state):
    assert kinds(run(state), now=NIGHT + timedelta(minutes=29)) == []
    assert kinds(run(state), now=NIGHT + timedelta(minutes=31)) == ["missed"]


def test_a_run_that_was_never_scheduled_is_missed_too():
    assert kinds() == ["missed"]
    assert kinds(run(Completed(), at=NIGHT - timedelta(days=1), started=NIGHT, ended=NIGHT)) == ["done", "missed"]


def test_a_run_that_is_not_on_the_server_may_have_been_dropped_there():
    (news,) = find_news(Seen([], [], paused=False), [NIGHT], since=NIGHT, now=LATER, grace=GRACE).values()
    assert "the server has no run of that time. It was never scheduled" in news.text
    assert "or it was dropped: of nights that passed while nothing could run them" in news.text


def test_a_check_at_the_same_time_is_not_taken_for_the_run_by_the_clock():
    check = run(Completed(), started=NIGHT, ended=NIGHT)
    assert kinds(checks=[check], since=LATER) == ["missed"]
    assert kinds(run(Late()), checks=[check], since=LATER) == ["missed"]


def test_what_somebody_paused_or_cancelled_is_not_missed():
    assert kinds(paused=True) == []
    assert kinds(run(Cancelled())) == []


def test_what_ended_before_anybody_watched_is_old():
    assert kinds(run(Failed(), started=NIGHT, ended=NIGHT), since=LATER, due=()) == []


def test_the_hours_are_those_of_the_time_zone():
    berlin = Timetable(cron="0 2 * * *", timezone="Europe/Berlin")
    assert due_times(berlin, NIGHT - timedelta(hours=12), NIGHT + timedelta(hours=12)) == [NIGHT - timedelta(hours=1)]
    assert due_times(Timetable(cron=None), NIGHT, LATER) == []
    assert due_times(berlin, LATER, NIGHT) == []


@pytest.fixture
def watch(project, monkeypatch):
    """A watch that sees what is in `seen`, and the file that the command of notify writes."""
    project.write(
        "conf/schedule.yaml", "notify: {about: [failed, missed], command: 'cat >> news; echo >> news'}\ncron: null"
    )
    seen = []

    def look(_):
        if seen and isinstance(seen[0], Exception):
            raise seen[0]
        return Seen(seen, [], paused=False)

    monkeypatch.setattr(flows.watch, "look", look)
    return seen


def news(project):
    path = project.root / "news"
    return [json.loads(line)["text"] for line in path.read_text().splitlines()] if path.exists() else []


def test_each_thing_is_told_once_also_by_a_watch_that_was_started_again(project, watch):
    started = datetime.now(UTC)
    watch.append(run(Failed(message="No column answr."), started=started, ended=started + timedelta(minutes=1)))
    for _ in range(2):
        Watch(project.root).look_once()
    assert news(project) == ["Retraining some-run failed: No column answr."]


def test_what_could_not_be_sent_is_tried_again(project, watch, capfd):
    started = datetime.now(UTC)
    watch.append(run(Failed(message="broken"), started=started, ended=started + timedelta(minutes=1)))
    project.write("conf/schedule.yaml", "notify: {command: 'echo no network; exit 3'}\ncron: null")
    made = Watch(project.root)
    made.look_once()
    assert "ended with exit code 3: no network" in capfd.readouterr().out
    project.write("conf/schedule.yaml", "notify: {command: 'cat >> news; echo >> news'}\ncron: null")
    made.look_once()
    assert len(news(project)) == 1


def test_each_channel_is_told_once_whatever_becomes_of_the_other(project, watch, httpd):
    started = datetime.now(UTC)
    watch.append(run(Failed(message="broken"), started=started, ended=started + timedelta(minutes=1)))
    notify = f"notify: {{webhook: '{httpd.address}', command: '%s'}}\ncron: null"
    project.write("conf/schedule.yaml", notify % "exit 3")
    for _ in range(3):
        Watch(project.root).look_once()
    assert len(httpd.posted) == 1
    project.write("conf/schedule.yaml", notify % "cat >> news; echo >> news")
    for _ in range(2):
        Watch(project.root).look_once()
    assert len(httpd.posted) == len(news(project)) == 1


def test_a_schedule_that_was_changed_invents_no_missed_nights(project, watch):
    made, noon = Watch(project.root), datetime.now(UTC).replace(hour=12, minute=0)
    project.write("conf/schedule.yaml", "cron: 0 2 * * *")
    watch.append(run(Running(), at=noon.replace(hour=2, minute=0), started=noon))
    made.look_once(now=noon - timedelta(days=1))
    project.write("conf/schedule.yaml", "cron: 5 3 * * *")
    assert made.look_once(now=noon) == []
    assert Watch(project.root).look_once(now=noon + timedelta(hours=1)) == []
    assert [item.kind for item in made.look_once(now=noon + timedelta(days=1))] == ["missed"]


def test_nights_while_it_was_paused_are_not_missed_once_it_goes_on(project, watch, monkeypatch):
    made, noon = Watch(project.root), datetime.now(UTC).replace(hour=12, minute=0)
    project.write("conf/schedule.yaml", "cron: 0 2 * * *")
    monkeypatch.setattr(flows.watch, "look", lambda _: Seen([], [], paused=True))
    made.look_once(now=noon)
    monkeypatch.setattr(flows.watch, "look", lambda _: Seen([], [], paused=False))
    assert made.look_once(now=noon + timedelta(days=2)) == []
    assert [item.kind for item in made.look_once(now=noon + timedelta(days=3))] == ["missed"]


def test_a_clock_that_was_put_back_hides_nothing(project, watch):
    made = Watch(project.root)
    earlier = datetime.now(UTC) - timedelta(days=400)
    watch.append(run(Failed(message="broken"), started=earlier, ended=earlier + timedelta(minutes=1)))
    assert [item.kind for item in made.look_once(now=earlier)] == ["failed"]


def test_a_server_that_is_silent_for_long_is_told_of_and_a_moment_of_silence_is_not(project, watch):
    watch.append(httpx.ConnectError("refused"))
    made = Watch(project.root)
    assert made.look_once() == []
    assert [item.kind for item in made.look_once(patience_s=0)] == ["failed"]
    assert made.look_once(patience_s=0) == []
    assert "server does not answer" in news(project)[0]


def test_since_when_it_watches_is_kept_from_the_start(project, watch):
    Watch(project.root)
    first = read_record(project.root, "told")["since"]
    Watch(project.root)
    assert read_record(project.root, "told")["since"] == first


@pytest.fixture
def deployments(prefect_server):
    """The two of the schedule on a server, by name, with the client that made them."""
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("nightly")
        made = {name: client.create_deployment(flow, name) for name in (NIGHTLY, CHECK)}
        yield client, made
        for deployment in made.values():
            client.delete_deployment(deployment)


def test_checks_that_found_nothing_do_not_hide_the_runs_of_the_nights(deployments, monkeypatch):
    monkeypatch.setattr(flows.watch, "PAGE", 2)
    client, made = deployments
    now = datetime.now(UTC)
    night, checked = [now - timedelta(hours=hours) for hours in (60, 40, 20)], now - timedelta(hours=1)
    states = [(NIGHTLY, Failed(), when) for when in night]
    states += [(CHECK, Completed(name="Nothing new"), checked), (CHECK, Failed(), checked)]
    for name, state, when in states:
        planned = client.create_flow_run_from_deployment(made[name], state=Scheduled(scheduled_time=when))
        client.set_flow_run_state(planned.id, state, force=True)
    seen = look(now)
    assert [found.expected_start_time for found in seen.nightly] == night
    assert [found.state_name for found in seen.checks] == ["Failed"]
