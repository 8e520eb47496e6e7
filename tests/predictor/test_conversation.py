"""Questions go where they belong, and what was said before goes along where the model was taught so."""

import io
import json

import pytest

from mmcore.cli import ask
from mmcore.errors import ConfigError, DataError
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
    words, known = ["--image", "a.png", "what", "is", "it", "--sound=b.wav"], ["image", "sound"]
    assert ask.sort_out(words, known, fields=known) == ({"image": "a.png", "sound": "b.wav"}, "what is it")
    with pytest.raises(ConfigError, match="--image has no value"):
        ask.sort_out(["what", "--image"], known, fields=known)


@pytest.fixture
def piped(writer, monkeypatch):
    """The model that `mm ask` loads, and a pipe with two questions."""
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: writer)
    monkeypatch.setattr("sys.stdin", io.StringIO("it is\n\nnot\n"))
    return writer


def test_without_a_question_each_line_is_one(piped, capsys):
    ask.talk("model", ["--vector", "1 2 3"], writing={})

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_question_that_cannot_be_read_does_not_end_the_conversation_and_is_told_at_its_end(piped, capsys):
    with pytest.raises(DataError, match="2 of 2 questions could not be answered"):
        ask.talk("model", ["--vector", "no vector"], writing={})

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("is no vector") == 2


@pytest.mark.parametrize("words", [["--vectro", "1 2 3", "it"], ["--vectro", "1 2 3"], ["it", "--vectro"]])
def test_a_name_that_is_no_field_is_refused_at_once_with_what_there_is(piped, capsys, words):
    with pytest.raises(ConfigError) as told:
        ask.talk("model", words, writing={}, options=["--max-tokens"])

    assert str(told.value) == (
        "--vectro is no field of the model and no option. Did you mean 'vector'? "
        "Fields: --sequence, --vector. Options: --max-tokens."
    )
    assert capsys.readouterr() == ("", "")


def test_for_programs_each_question_is_a_line_of_json(piped, capsys):
    conversation = Conversation(piped, VECTOR)
    answers = [conversation.ask("it is"), conversation.ask("not")]

    ask.talk("model", ["--vector", VECTOR["vector"]], writing={}, as_json=True)

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [{"question": "it is", "answer": answers[0]}, {"question": "not", "answer": answers[1]}]


def test_for_programs_a_question_that_cannot_be_read_has_its_line_too(piped, capsys):
    with pytest.raises(DataError):
        ask.talk("model", ["--vector", "no vector"], writing={}, as_json=True)

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [set(one) for one in said] == [{"question", "error"}] * 2


def test_for_programs_the_one_question_that_cannot_be_read_has_its_line_too(piped, capsys):
    with pytest.raises(DataError, match="is no vector"):
        ask.talk("model", ["--vector", "no vector", "it", "is"], writing={}, as_json=True)

    said = json.loads(capsys.readouterr().out)
    assert (said["question"], set(said)) == ("it is", {"question", "error"})


def test_a_temperature_draws_where_the_model_searches_with_beams(piped, capsys):
    try:
        piped.write_with(beams=3)
        ask.talk("model", ["--vector", "1 2 3", "it is"], writing={"temperature": 0.7})
        assert piped.model.each_task()["say"].writing.beams == 1
    finally:
        piped.write_with(beams=1, temperature=0.0)


def test_a_model_that_writes_nothing_takes_no_settings_of_texts(predictor, monkeypatch):
    monkeypatch.setattr(ask.Predictor, "load", lambda folder: predictor)

    with pytest.raises(
        ConfigError, match="This model writes no text: --max-tokens, --temperature would change nothing"
    ):
        ask.talk("model", ["--vector", "1 2 3", "what"], writing={"temperature": -1.0, "max_tokens": 3})
