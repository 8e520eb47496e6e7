"""What a command of flows makes of its arguments."""

import pytest

from flows import release, worker


@pytest.mark.parametrize("arguments", [["--json"], ["--json", "list"], ["list", "--json"]])
def test_releases_are_listed_as_json_with_or_without_the_command(monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["release", *arguments])
    monkeypatch.setattr(release, "act_on", lambda root, act, given: (act, given.json))
    monkeypatch.setattr(release, "run_to_exit", lambda work: work())

    assert release.main() == (release.list_releases, True)


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("--bogus", 2)])
def test_the_worker_starts_nothing_where_it_is_asked_for_help_or_mistyped(monkeypatch, argument, code):
    monkeypatch.setattr("sys.argv", ["worker", argument])
    monkeypatch.setattr(worker.os, "execv", None)

    with pytest.raises(SystemExit) as ended:
        worker.main()
    assert ended.value.code == code
