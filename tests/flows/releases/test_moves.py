"""How the pointer moved, from tags alone."""

import pytest

from flows.moves import failed_smoke, in_use_before, promoted, rolled_back, taken_back
from mmcore.releases.git import Git
from mmcore.releases.tags import point, read_registry, register

NOW = 1_800_000_000


class Registry:
    """Three versions, and moves of the pointer between them."""

    def __init__(self, git):
        self.git, self.commits = git, {}
        for number in ("v1.0.0", "v1.1.0", "v1.2.0"):
            self.add(number)

    def add(self, number):
        self.git.run("commit", "-q", "--allow-empty", "-m", number, environment=self.git.identity())
        self.commits[number] = self.git.run("rev-parse", "HEAD")
        register(self.git, "model", number, commit=self.commits[number], message=number, now=NOW)
        self.use(number)

    def use(self, number, reason="promoted by somebody", *, message=None, cancelled=False):
        message = message or f"prod is {number}: {reason}"
        point(self.git, "model", "prod", commit=self.commits[number], message=message, now=NOW, cancelled=cancelled)

    def back(self, reason=None):
        """As `rollback` does; the number."""
        current, target = self.read().current("prod"), in_use_before(self.read(), "prod")[-1]
        self.use(target.number, rolled_back(current.number, by="somebody", reason=reason))
        return target.number

    def read(self):
        return read_registry(self.git, "model")

    @property
    def taken(self):
        return [version.number for version in taken_back(self.read(), "prod")]


@pytest.fixture
def registry(tmp_path):
    git = Git(tmp_path)
    git.run("init", "-q")
    return Registry(git)


def test_a_release_that_a_newer_one_followed_was_not_taken_back(registry):
    assert registry.taken == []


def test_two_moves_back_go_back_twice_and_take_both_releases_back(registry):
    assert [registry.back(), registry.back("it is rude")] == ["v1.1.0", "v1.0.0"]
    assert in_use_before(registry.read(), "prod") == []
    assert registry.taken == ["v1.1.0", "v1.2.0"]


@pytest.mark.parametrize("reason", [None, "it was better for Chinese"])
def test_an_old_release_that_was_promoted_by_mistake_gives_way_to_the_one_that_was_in_use(registry, reason):
    registry.use("v1.0.0", promoted(by="somebody", reason=reason))
    assert registry.taken == ["v1.2.0"]
    assert registry.back() == "v1.2.0"
    assert registry.taken == []
    assert registry.back() == "v1.1.0"


def test_what_was_gone_back_from_is_not_gone_back_to(registry):
    registry.back()
    registry.add("v1.3.0")
    assert registry.back() == "v1.1.0"


def test_what_is_used_again_after_a_mistake_and_then_followed_was_not_taken_back(registry):
    registry.use("v1.0.0")
    registry.use("v1.2.0")
    registry.add("v1.3.0")
    assert registry.taken == []


def test_a_move_back_of_before_that_gives_its_reason_alone_is_one(registry):
    registry.use("v1.1.0", "it is rude")
    assert registry.taken == ["v1.2.0"]
    assert registry.back() == "v1.0.0"
    registry.add("v1.3.0")
    assert registry.back() == "v1.0.0"


def test_what_was_taken_back_and_is_used_again_by_hand_is_not_taken_back(registry):
    registry.back()
    registry.use("v1.2.0")
    assert registry.taken == []
    assert registry.back() == "v1.1.0"


def test_what_failed_its_smoke_test_is_taken_back_and_was_not_in_use(registry):
    registry.use("v1.0.0")
    registry.use("v1.2.0", message=failed_smoke("prod", "v1.0.0", previous="v1.2.0"))
    assert registry.taken == ["v1.0.0"]
    assert registry.back() == "v1.1.0"
    registry.use("v1.2.0", message=failed_smoke("prod", "v1.2.0", previous=None), cancelled=True)
    assert "v1.2.0" in registry.taken
