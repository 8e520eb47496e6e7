"""Conversations about pictures."""

import json
from pathlib import Path

import pytest
from mm_sources.annotations import ConversationsSource

from mmcore.errors import DataError
from mmcore.interfaces.source import BrokenRow
from mmcore.testing import SourceContract


def turns(*said: str) -> list[dict[str, str]]:
    """`human: hello` -> a turn."""
    return [{"from": speaker, "value": text} for speaker, text in (one.split(": ", 1) for one in said)]


TALKS = [
    {"id": "a", "image": "1.png", "conversations": turns("human: <image>\nWhat is it?", "gpt: A cat.", "human: 颜色?")},
    {"conversations": turns("system: Be brief.", "user: Hello", "assistant: Hi")},
]
SETTINGS = {"folder": "llava", "file": "talk.json"}


def write(folder: Path, *talks, name: str = "talk.json", text: str | None = None) -> ConversationsSource:
    """A JSON list, or JSON lines where the name says so."""
    (folder / "llava").mkdir(exist_ok=True)
    listed = "\n".join(map(json.dumps, talks)) if name.endswith("l") else json.dumps(talks)
    (folder / "llava" / name).write_text(listed if text is None else text, encoding="utf-8")
    return ConversationsSource(folder=str(folder / "llava"), file=name)


class TestConversations(SourceContract):
    name = "conversations"

    def source_settings(self, folder: Path):
        write(folder, *TALKS)
        return SETTINGS

    def broken_in(self, folder: Path):
        write(folder, name="half.json", text='[{"id"')
        write(folder, name="half.jsonl", text='{"id"')
        write(folder, name="object.json", text="{}")
        write(folder, name="words.json", text='["hello"]')
        names = ("nowhere.json", "nowhere.jsonl", "half.json", "half.jsonl", "object.json", "words.json")
        return [{"folder": "llava", "file": name} for name in names]


class TestConversationsInLines(TestConversations):
    def source_settings(self, folder: Path):
        write(folder, *TALKS, name="talk.jsonl")
        return {**SETTINGS, "file": "talk.jsonl"}


def test_a_row_has_the_picture_and_the_talk(tmp_path):
    first, second = write(tmp_path, *TALKS).rows()
    assert (first["id"], first["image"]) == ("a", "images/1.png")
    assert json.loads(first["conversation"]) == TALKS[0]["conversations"]
    assert "颜色" in first["conversation"]
    assert (second["id"], second["image"]) == ("1", None)


def test_speakers_have_one_name_each(tmp_path):
    _, second = write(tmp_path, *TALKS).rows()
    assert [turn["from"] for turn in json.loads(second["conversation"])] == ["system", "human", "gpt"]


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        ({"conversations": turns("gpt: A cat.", "human: What is it?")}, "starts with the answer"),
        ({"conversations": turns("system: Be brief.", "gpt: A cat.")}, "starts with the answer"),
        ({"conversations": turns("human: a", "gpt: b", "gpt: c")}, "turn 3 is gpt's again"),
        ({"conversations": turns("human: a", "human: b", "gpt: c")}, "turn 2 is human's again"),
        ({"conversations": turns("human: a")}, "no answer to learn from"),
        ({"conversations": turns("system: a")}, "no answer to learn from"),
        ({"conversations": turns("cat: meow", "gpt: b")}, 'turn 1 must be {"from": human or gpt'),
        ({"conversations": [{"from": "human", "value": 3}]}, "turn 1 must be"),
        ({"conversations": [{"from": ["human"], "value": "a"}]}, "turn 1 must be"),
        ({"conversations": [{"from": {"is": "human"}, "value": "a"}]}, "turn 1 must be"),
        ({"conversations": ["hello"]}, "turn 1 must be"),
        ({"conversations": []}, "no list of 'conversations'"),
        ({"talk": []}, "no list of 'conversations'"),
        ({"conversations": turns("human: <image> what?", "gpt: b")}, "speaks of <image>, but no 'image'"),
        ({"image": ["1.png", "2.png"], "conversations": turns("human: a", "gpt: b")}, "must be one path"),
    ],
)
def test_a_conversation_that_cannot_be_learned_from_is_broken_and_the_others_stay(tmp_path, talk, reason):
    first, broken, last = write(tmp_path, TALKS[0], {"id": "x", **talk}, TALKS[1]).rows()
    assert isinstance(broken, BrokenRow)
    assert broken["id"] == "x"
    assert broken.reason.startswith("conversation 2: ")
    assert reason in broken.reason
    assert not isinstance(first, BrokenRow)
    assert not isinstance(last, BrokenRow)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[\n{"id": 1},\n{]', r"a.json: line 3, column 2 \(character 15\) is not JSON"),
        ("a.jsonl", '{}\n\n{"id": }\n', "a.jsonl: line 3, column 8 is not JSON"),
        ("a.json", '[{"conversations": 1}, 2]', "conversation 2 must be an object"),
        ("a.json", '{"conversations": []}', "must be a list of conversations"),
    ],
)
def test_a_broken_file_is_told_with_line_and_column(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        list(write(tmp_path, name=name, text=text).rows())
