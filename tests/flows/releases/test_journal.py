"""What was begun is ended as it was begun, whatever params.yaml says by then."""

import json

import pytest
import yaml

from flows.releasing import Releaser
from mmcore.errors import ConfigError
from mmcore.releases import tags
from mmcore.releases.settings import ReleaseSettings
from tests.flows.releases.conftest import PARAMS


@pytest.fixture
def half_done(released):
    """v1.1.0, of value 2, for the pointer `staging`, killed before that was set; then params.yaml says `prod`."""
    settings(released, stage="staging")
    released.data(2)
    released.until_killed("flows.releasing.point")
    settings(released)
    return released


def settings(toy, **release):
    toy.project.write("params.yaml", yaml.safe_dump({**PARAMS, "release": {"enabled": True, **release}}))


def pointers(toy):
    return [(one.stage, toy.git.run("show", "-s", "--format=%s", one.commit)) for one in toy.registry().pointers]


def test_a_release_is_ended_for_the_pointer_that_it_was_begun_for(half_done):
    half_done.releaser().mend()
    assert pointers(half_done) == [("prod", "Release model v1.0.0"), ("staging", "Release model v1.1.0")]


def test_a_release_is_ended_under_the_name_that_it_was_begun_with(half_done):
    settings(half_done, name="other")
    half_done.releaser().mend()
    assert pointers(half_done)[-1] == ("staging", "Release model v1.1.0")


def test_a_journal_without_a_pointer_s_name_moves_none_that_named_something_else(half_done):
    """As an older version wrote it; `staging` had named nothing."""
    path = half_done.git.shared / "mmcore" / "underway-model.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: kept[key] for key in ("commit", "number", "reason", "previous")}))
    half_done.releaser().mend()
    assert half_done.in_use() == "v1.0.0"
    assert not path.exists()


def test_a_journal_without_a_pointer_s_name_is_gone_on_with_where_the_pointer_is_as_it_was(released):
    released.data(2)
    released.until_killed("flows.releasing.point")
    path = released.git.shared / "mmcore" / "underway-model.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: kept[key] for key in ("commit", "number", "reason", "previous")}))
    released.releaser().mend()
    assert released.in_use() == "v1.1.0"


def test_a_release_is_not_gone_on_with_where_another_came_in_use_since(released):
    released.data(2)
    released.until_killed("flows.releasing.point")
    tags.register(released.git, "model", "v2.0.0", commit=released.git.run("rev-parse", "HEAD"), message="x", now=0)
    tags.point(released.git, "model", "prod", commit=released.git.run("rev-parse", "HEAD"), message="x", now=0)
    told = list[str]()
    Releaser(released.root, ReleaseSettings(), told.append).mend()
    assert released.in_use() == "v2.0.0"
    assert "while prod was v1.0.0. That is v2.0.0 by now and stays so" in told[0]
    assert list((released.git.shared / "mmcore").glob("underway*")) == []


@pytest.mark.parametrize("release", [{"stage": "pre prod"}, {"name": "a model"}, {"branch": "re leases"}])
def test_a_name_that_git_refuses_is_told_before_anything_is_begun(toy, release):
    settings(toy, **release)
    with pytest.raises(ConfigError, match=f"release.{next(iter(release))} is '{next(iter(release.values()))}'"):
        toy.retrain()
    assert toy.asked == []


def test_a_journal_that_was_killed_while_it_was_written_hinders_nothing(released):
    (released.git.shared / "mmcore" / "underway-model.json").write_text('{"commit": "ab')
    assert released.retrain() == 0
    assert released.in_use() == "v1.0.0"
