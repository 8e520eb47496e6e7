"""What a process of a cluster keeps of a search, and for how long."""

from dataclasses import replace

import optuna
import pytest

from mmcore.search import remote
from mmcore.search.remote import Spec
from mmcore.search.settings import SearchSettings
from mmcore.search.storage import quiet


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """Of a study in a database; no trial of it runs, so that no worker is started."""
    monkeypatch.setattr(remote, "_hosts", {})
    address = f"sqlite:///{tmp_path}/studies"
    opening = {"root": str(tmp_path), "base": {"training": {"lr": 0.1}}, "monitor": "up"}
    study = begun(address, "another"), begun(address, "s")
    yield Spec("s", study[1], ".mm/search/s", opening, SearchSettings(storage=address), 1, 3)
    remote._end_all()


def begun(address, name):
    with quiet():
        return optuna.create_study(storage=address, study_name=name)._study_id


def test_the_trials_of_one_search_share_its_workers(spec):
    assert remote._host(spec) is remote._host(replace(spec, opening={**spec.opening}))


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: {"opening": {**spec.opening, "base": {"training": {"lr": 0.2}}}},
        lambda spec: {"settings": replace(spec.settings, folds=3)},
        lambda spec: {"objectives": 2},
    ],
)
def test_another_search_of_the_same_name_has_workers_of_its_own(spec, change):
    former, other = remote._host(spec), replace(spec, **change(spec))
    host = remote._host(other)
    assert host is not former
    assert host.pool.opening == other.opening
    assert former.ending


def test_a_study_that_was_deleted_and_begun_anew_is_the_one_that_is_told(spec):
    remote._host(spec)
    address = spec.settings.storage
    begun(address, "third")
    optuna.delete_study(storage=address, study_name="s")
    anew = begun(address, "s")
    assert remote._host(replace(spec, study=anew)).study.identity == anew != spec.study


def test_two_projects_may_have_a_search_of_the_same_name_at_once(spec, tmp_path):
    other = replace(spec, opening={**spec.opening, "root": str(tmp_path / "other")})
    here, there = remote._host(spec), remote._host(other)
    assert there is not here
    assert remote._host(spec) is here
    assert not here.ending
