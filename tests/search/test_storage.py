"""PostgreSQL in place of the file: found again after it was away, and what ran there is not lost."""

import threading
import time
from types import SimpleNamespace

import pytest

from mmcore.errors import ConfigError, SetupError
from mmcore.search.dimensions import Dimension, Number
from mmcore.search.driver import Search
from mmcore.search.host import Told
from mmcore.search.rows import State
from mmcore.search.samplers import pruner_of
from mmcore.search.settings import SearchSettings
from mmcore.search.space import Space
from mmcore.search.storage import Patience, address_of, open_database, without_password
from mmcore.search.study import open_study
from tests.postgres import Postgres

SPACE = Space((Dimension("training.lr", "training.lr", Number(0.001, 0.1, log=True)),), {"training": {"lr": 0.01}})


@pytest.fixture
def opened():
    made = []

    def study(address, *, patience_s=20.0, heartbeat_s=1, trials=8, say=print, about=1):
        settings = {"patience_s": patience_s, "heartbeat_s": heartbeat_s, "trials": trials, "say": say, "about": about}
        made.append(_opened(address, **settings))
        return made[-1]

    yield study
    for one in made:
        one.close()


def _opened(address, *, patience_s, heartbeat_s, trials, say, about):
    return open_study(
        open_database(address, heartbeat_s=heartbeat_s), SPACE, name="s", better=["up"], about={"a": about},
        sampler="random", pruner=pruner_of(SearchSettings(), objectives=1, steps=3), seed=0, trials=trials,
        patience=Patience(patience_s, say=say),
    )  # fmt: skip


def test_two_processes_share_a_study_and_draw_each_point_once(postgres, opened):
    address = postgres.database()
    one, other = opened(address), opened(address)
    drawn = []
    while (asked := (one, other)[len(drawn) % 2].ask()) is not None:
        drawn.append(asked.drawn.named["training.lr"])
        (one, other)[len(drawn) % 2].complete(asked.identity, [1.0], {"scores": {}, "seconds": 1.0})
    assert len(drawn) == len(set(drawn)) == 8


def test_a_trial_without_a_heartbeat_runs_again_and_one_with_goes_on(postgres, opened):
    address = postgres.database()
    study = opened(address)
    alive, dead = study.ask(), study.ask()
    study.report(dead.identity, 1, 0.3)
    study.beat(dead.identity)
    deadline = time.monotonic() + 120
    while study.gather(alone=False) == 0:
        study.beat(alive.identity)
        assert time.monotonic() < deadline
        time.sleep(0.2)
    states = {row.number: row.state for row in study.rows()}
    assert (states[alive.number], states[dead.number]) == (State.RUNNING, State.DIED)
    again = study.ask()
    assert (again.root, again.drawn) == (dead.number, dead.drawn)
    assert study.gather(alone=False) == 0


class Silent:
    """Shows nothing."""

    def began(self, asked): ...

    def ended(self, asked, told): ...

    def tick(self): ...

    def say(self, line): ...


def test_a_search_does_not_end_while_a_trial_of_a_machine_that_is_gone_is_left(postgres, opened, tmp_path):
    study = opened(postgres.database(), trials=2)
    dead = study.ask()
    study.beat(dead.identity)
    settings = SearchSettings(trials=2, heartbeat_s=1)
    project = SimpleNamespace(settle=lambda changes: {}, settings=settings)
    plan = SimpleNamespace(
        settings=settings, project=project, root=tmp_path, trial_folder=lambda root, values: f"trials/{root}/a"
    )

    def submit(order, done):
        study.complete(order.identity, [0.5], {"scores": {}, "seconds": 0.1})
        done(Told(order.number, State.COMPLETE, 0.5))

    ended = Search(plan, study, Silent(), places=1, shared=True).run(submit)
    assert ended.why == "all trials are done"
    rows = study.rows()
    assert {row.root for row in rows if row.state is State.COMPLETE} == {row.root for row in rows}
    assert len([row for row in rows if row.state is State.COMPLETE]) == 2


def test_a_database_that_goes_away_in_the_middle_loses_no_trial(opened):
    told = []
    with Postgres.started() as server:
        study = opened(server.database(), say=told.append)
        first, second = study.ask(), study.ask()
        server.kill()
        back = threading.Timer(2.0, server.start)
        back.start()
        study.complete(first.identity, [0.5], {"scores": {"a/b": 0.5}, "seconds": 1.0})
        assert not study.report(second.identity, 1, 0.1)
        study.complete(second.identity, [0.7], {"scores": {}, "seconds": 1.0})
        back.join()
        assert [row.values for row in study.rows()] == [(0.5,), (0.7,)]
        assert study.ask() is not None
        assert told[0].startswith("The database does not answer")
        assert told[-1] == "The database is back."


def test_patience_has_an_end_that_says_that_nothing_is_lost(opened):
    with Postgres.started() as server:
        study = opened(server.database(), patience_s=0.5)
        asked = study.ask()
        server.kill()
        with pytest.raises(SetupError, match=r"has not answered for 0.5 s .*Nothing is lost: started again"):
            study.complete(asked.identity, [0.5], {"scores": {}, "seconds": 1.0})
        server.start()
        again = opened(server.database(), patience_s=5.0)
        assert again.rows() == []


def test_a_database_that_is_not_there_is_said_at_the_start():
    with pytest.raises(SetupError, match=r"postgresql://me@127.0.0.1:1/x does not answer: .*leave storage out"):
        open_database("postgresql://me:secret@127.0.0.1:1/x", heartbeat_s=1)


def test_a_study_of_other_data_is_refused_with_what_deletes_it_there(postgres, opened):
    address = postgres.database()
    opened(address)
    with pytest.raises(ConfigError, match=r"a: was 1, is now 2\n.*`optuna delete-study --study-name s --storage post"):
        opened(address, about=2)


def test_what_is_no_address_is_said():
    with pytest.raises(ConfigError, match=r"no address of a database .*Say postgresql://"):
        open_database("here", heartbeat_s=1)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql//me:secret@host/db",
        "postgresql://me:sec/ret@:secret@host/db:x",
        "postgresql://me:secret@host:port/db",
        "me:secret@host/db",
        "postgresql://me:secret/db",
        "postgresql://me:secret#host/db",
        "postgresql://me:secret%40host/db",
    ],
)
def test_of_a_mistyped_address_no_password_is_shown(address):
    with pytest.raises(ConfigError, match="no address of a database") as caught:
        open_database(address, heartbeat_s=1)
    assert "ret" not in str(caught.value)


def test_the_driver_is_ours_and_the_password_is_nobodys():
    assert address_of("postgresql://a@b/c") == "postgresql+psycopg://a@b/c"
    assert address_of("postgresql+asyncpg://a@b/c") == "postgresql+asyncpg://a@b/c"
    assert without_password("postgresql://me:secret@host:1/db") == "postgresql://me@host:1/db"
    assert without_password("sqlite:///x") == "sqlite:///x"
    assert without_password("postgresql://host/db?user=me&password=se@cret&a=b") == (
        "postgresql://host/db?user=me&password=...&a=b"
    )
