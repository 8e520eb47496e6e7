import json
import os
import socket
import threading

import pytest

import flows.notify
from flows.changes import _headers
from flows.notify import WEBHOOK, News, tell
from flows.serve import answers
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


@pytest.fixture
def no_http():
    """The address of something that takes a request and answers as no web server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_answer_that_is_none_of_http_is_told_and_ends_nothing(no_http, tmp_path):
    (wrong,) = tell(NEWS, Notify(webhook=f"{no_http}/secret"), root=tmp_path)["webhook"]
    assert "BadStatusLine" in wrong
    assert "secret" not in wrong


def test_an_address_with_a_space_in_it_is_none_and_is_not_shown(tmp_path):
    told = tell(NEWS, Notify(webhook="https://127.0.0.1/services/my secret"), root=tmp_path)
    assert told == {"webhook": ["The webhook's address is none."]}


def test_words_of_the_command_that_are_not_utf_8_end_nothing(tmp_path):
    assert tell(NEWS, Notify(command=r"printf 'zugestellt f\374r dich'"), root=tmp_path) == {"command": []}
    (wrong,) = tell(NEWS, Notify(command=r"printf 'unm\366glich' >&2; exit 1"), root=tmp_path)["command"]
    assert wrong.endswith("exit code 1: unm\ufffdglich")


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(tmp_path, monkeypatch, eventually):
    monkeypatch.setattr(flows.notify, "COMMAND_S", 0.5)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    (wrong,) = tell(NEWS, Notify(command="exec 3> pipe; sleep 300 | cat"), root=tmp_path)["command"]
    assert "timed out after 0.5 seconds" in wrong
    assert eventually(lambda: is_let_go_of(reader), seconds=20)
    os.close(reader)


def is_let_go_of(reader):
    """Whether no process has the other end of a pipe open any more."""
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


def test_what_speaks_no_http_is_no_server_of_ours(no_http):
    assert not answers(f"{no_http}/api/health")


def test_a_look_for_changes_goes_on_where_a_source_speaks_no_http(no_http):
    assert _headers(f"{no_http}/rows.csv") == ["unreachable"]
