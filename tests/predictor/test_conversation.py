"""Questions go where they belong, and what was said before goes along where the model was taught so."""

import io
import json

import pytest

from mmcore.cli import ask
from mmcore.errors import ConfigError
from mmcore.predictor import Conversation
from mmcore.testing.toys.modalities import SequenceModality

VECTOR = {"vector": "0.5 -0.25 0.125"}


def test_pieces_of_an_answer_come_one_by_one_and_are_the_answer(writer):
    pieces = list[str]()
    answer = Conversation(writer, VECTOR).ask("it is", pieces.append)

    assert "".join(pieces) == answer
    assert len([piece for piece in pieces if piece]) > 1


def test_without_a_listener_the_answer_is_the_same(writer):
    assert Conversation(writer, VECTOR).ask("it is") == Conversation(writer, VECTOR).ask("it is", lambda piece: None)


def asked(conversation, monkeypatch):
    """The cells that its field is given, question after question."""
    cells = list[str]()
    prompt = SequenceModality.prompt

    def kept(self, cell, base):
        cells.append(cell)
        return prompt(self, "it is", base)

    monkeypatch.setattr(SequenceModality, "prompt", kept)
    answers = [conversation.ask("it is"), conversation.ask("not the one")]
    return cells, answers


def test_a_model_that_only_writes_gets_the_lines_so_far(writer, monkeypatch):
    cells, answers = asked(Conversation(writer, VECTOR), monkeypatch)

    assert cells == ["it is", f"it is\n{answers[0]}\nnot the one"]


def test_a_field_of_conversations_gets_turns(writer, monkeypatch):
    monkeypatch.setattr(SequenceModality, "talks", True)
    cells, answers = asked(Conversation(writer, VECTOR), monkeypatch)

    assert json.loads(cells[1]) == [
        {"from": "human", "value": "it is"},
        {"from": "gpt", "value": answers[0]},
        {"from": "human", "value": "not the one"},
    ]


def test_a_question_has_a_field_of_its_own_where_the_model_has_one(predictor):
    conversation = Conversation(predictor, VECTOR)

    assert conversation.place == "sequence"
    assert (
        conversation.ask("it is not") == predictor.predict([{**VECTOR, "sequence": "it is not"}])[0]["answer"]["label"]
    )


def test_where_every_text_is_given_there_is_no_place_for_a_question(predictor):
    with pytest.raises(ConfigError, match="not clear where a question goes"):
        Conversation(predictor, {**VECTOR, "words": "it is"})


def test_fields_are_options_and_the_rest_is_the_question():
    words = ["--image", "a.png", "what", "is", "it", "--sound=b.wav"]
    assert ask.sort_out(words) == ({"image": "a.png", "sound": "b.wav"}, "what is it")
    with pytest.raises(ConfigError, match="--image has no value"):
        ask.sort_out(["what", "--image"])


def test_without_a_question_each_line_is_one(writer, monkeypatch, capsys):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: writer)
    monkeypatch.setattr("sys.stdin", io.StringIO("it is\n\nnot\n"))

    ask.talk("model", ["--vector", "1 2 3"], writing={})

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_question_that_cannot_be_read_does_not_end_the_conversation(writer, monkeypatch, capsys):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: writer)
    monkeypatch.setattr("sys.stdin", io.StringIO("it is\nnot\n"))

    ask.talk("model", ["--vector", "no vector"], writing={})

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("is no vector") == 2
