"""A model that writes and aligns answers like any other."""

import json

import pytest

from mmcore.errors import ConfigError
from mmcore.predictor import answer_table, as_csv, as_lines
from mmcore.registry.plugins import installed

VECTOR = {"vector": "0.5 -0.25 0.125"}


def test_an_answer_is_a_text_with_its_score(writer):
    (answers,) = writer.predict([VECTOR])

    assert isinstance(answers["say"]["text"], str)
    assert answers["say"]["score"] < 0
    assert set(answers["say"]) == {"text", "score"}


def test_vectors_are_told_by_field(writer):
    (answers,) = writer.predict([VECTOR])

    assert len(answers["near"]["vector"]) == 4


def test_a_cell_of_what_is_written_is_a_prompt_and_no_part_of_the_answer(writer):
    plain, prompted = writer.predict([VECTOR, {**VECTOR, "sequence": "it is not the"}])

    assert prompted["say"] != plain["say"]
    assert writer.predict([{**VECTOR, "words": "it is not the"}])[0]["say"]["text"] == prompted["say"]["text"]


def test_rows_are_answered_alike_whatever_the_batch_size(writer):
    rows = [{"vector": f"0.{n} -0.5 1.0", "sequence": "it is" if n % 2 else None} for n in range(5)]

    together, one_by_one = writer.predict(rows), writer.predict(rows, batch_size=1)

    assert [answers["say"]["text"] for answers in together] == [answers["say"]["text"] for answers in one_by_one]


def test_how_it_is_written_can_be_changed(writer):
    try:
        writer.write_with(max_tokens=1)
        (short,) = writer.predict([VECTOR])
        with pytest.raises(ConfigError, match="beams: 2"):
            writer.write_with(beams=2, temperature=1.0)
    finally:
        writer.write_with(max_tokens=8)

    assert len(short["say"]["text"].split()) <= 1


def test_what_is_drawn_hangs_on_the_number_of_the_row_and_not_on_broken_rows_of_its_batch(writer):
    rows = [{"vector": "nonsense"}, *({"vector": f"0.{n} -0.5 1.0"} for n in range(6))]
    try:
        writer.write_with(temperature=5.0)
        together, one_by_one = (list(writer.predict_each(rows, batch_size=size)) for size in (64, 1))
    finally:
        writer.write_with(temperature=0.0)

    said = [[answers["say"]["text"] for answers in each[1:]] for each in (together, one_by_one)]
    assert said[0] == said[1]
    assert len(set(said[0])) > 1


def test_tokens_are_told_as_they_are_written(writer):
    told = []

    answers = writer.ask(VECTOR, told=lambda tokens: told.append(int(tokens[0])))

    words = [writer.modalities["sequence"].facts()["tokens"][token] for token in told if token > 3]
    assert " ".join(words) == answers["say"]["text"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("numbers,words,note\n0.5 -0.25 0.125,it is not the one,keep\n")
    return path


def test_in_a_table_what_is_written_is_what_is_true_and_no_prompt(writer, table):
    told = answer_table(writer, table, plugins=installed())

    (row,) = told.rows
    assert row["words"] == "it is not the one"
    assert row["say:text"] == writer.predict([VECTOR])[0]["say"]["text"]
    assert told.missing == []


def test_vectors_stand_in_json_lines_and_not_in_csv(writer, table):
    told = answer_table(writer, table, plugins=installed())

    assert len(json.loads(as_lines(told))["near:vector"]) == 4
    assert as_csv(told).splitlines()[0] == "numbers,words,note,say:text,say:score"


@pytest.mark.parametrize(
    "asked", [{"max_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 1.5}, {"top_k": 0}]
)
def test_a_setting_outside_of_its_bounds_is_told_and_changes_nothing(writer, asked):
    (name,) = asked
    with pytest.raises(ConfigError, match=f"{name} must be between .* but got"):
        writer.write_with(**asked)
    assert writer.predict([VECTOR])[0]["say"]["score"] < 0


def test_a_setting_that_is_not_there_is_told_with_those_that_are(writer):
    with pytest.raises(ConfigError, match=r"no 'temprature' .* Did you mean 'temperature'\? There is: beams, "):
        writer.write_with(temprature=0.7)


def test_a_field_that_a_row_lacks_has_no_vector_also_beside_rows_that_have_it(writer):
    rows = [{"vector": "1 2 3", "sequence": "it is"}, {"sequence": "it is"}, {"vector": "1 2 3"}]

    assert [set(answers["near"]) for answers in writer.predict(rows)] == [
        {"vector", "sequence"},
        {"sequence"},
        {"vector"},
    ]
