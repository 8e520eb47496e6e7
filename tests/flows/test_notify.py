import json

from flows.notify import WEBHOOK, News, tell
from flows.timetable import Notify

NEWS = News("failed", "Retraining some-run failed: kein Spaltenname „antwort“", "some-run", "http://127.0.0.1/run")


def test_the_webhook_gets_words_and_parts(httpd, tmp_path):
    assert tell(NEWS, Notify(webhook=httpd.address), root=tmp_path) == {"webhook": []}
    (posted,) = httpd.posted
    assert posted == {
        "kind": "failed",
        "text": NEWS.text,
        "run": "some-run",
        "page": NEWS.page,
        "project": tmp_path.name,
    }


def test_a_secret_address_comes_from_the_environment(httpd, tmp_path, monkeypatch):
    monkeypatch.setenv(WEBHOOK, httpd.address)
    assert tell(NEWS, Notify(webhook="http://127.0.0.1:1"), root=tmp_path) == {"webhook": []}
    assert len(httpd.posted) == 1


def test_the_command_gets_the_same_on_stdin_in_the_clone(tmp_path):
    assert tell(NEWS, Notify(command="cat > told"), root=tmp_path) == {"command": []}
    assert json.loads((tmp_path / "told").read_text())["text"] == NEWS.text


def test_what_nobody_asked_for_is_not_sent(httpd, tmp_path):
    assert tell(News("done", "x"), Notify(webhook=httpd.address), root=tmp_path) == {}
    assert httpd.posted == []


def test_what_goes_wrong_is_told_without_the_address(httpd, tmp_path):
    httpd.code = 500
    (wrong,) = tell(NEWS, Notify(webhook=f"{httpd.address}/secret"), root=tmp_path)["webhook"]
    assert "500" in wrong
    assert "secret" not in wrong
    assert tell(NEWS, Notify(webhook="no-address"), root=tmp_path) == {"webhook": ["The webhook's address is none."]}
    assert tell(NEWS, Notify(command="echo why >&2; exit 4"), root=tmp_path) == {
        "command": ["The command of notify ended with exit code 4: why"]
    }


def test_a_channel_that_had_it_is_left_in_peace(httpd, tmp_path):
    both = Notify(webhook=httpd.address, command="cat > told")
    assert tell(NEWS, both, root=tmp_path, but=["webhook"]) == {"command": []}
    assert httpd.posted == []
