"""The variables that Prefect, DVC and the stages are run with."""

import os
import urllib.request

import pytest

from flows.environment import settle
from flows.serve import answers


@pytest.fixture
def behind_a_proxy(monkeypatch):
    """One that nothing answers at; gives a function that settles as `import flows` does."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    kept = dict(os.environ)
    yield settle
    os.environ.clear()
    os.environ.update(kept)


def test_this_machine_is_called_past_a_proxy(behind_a_proxy, httpd, monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)  # else the one of an earlier test, which knew no proxy
    assert not answers(httpd.address)
    behind_a_proxy()
    assert answers(httpd.address)


def test_hosts_that_were_to_be_called_past_it_stay_whichever_spelling_names_them(behind_a_proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet,localhost")
    behind_a_proxy()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "intranet,localhost,127.0.0.1"
    behind_a_proxy()
    assert os.environ["no_proxy"] == "intranet,localhost,127.0.0.1"


def test_without_a_proxy_nothing_is_said_of_any(behind_a_proxy, monkeypatch):
    monkeypatch.delenv("http_proxy")
    behind_a_proxy()
    assert "no_proxy" not in os.environ
