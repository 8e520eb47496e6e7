"""Prompts, characters as tokens, texts that are too long, and texts that are hardly any."""

import json
import time
from pathlib import Path

import pytest
import torch
from mm_text.modality import TextModality

from mmcore.errors import ConfigError, DataError

HERE = Path()
POEMS = ["水调歌头\n明月几时有，把酒问青天。", "如梦令\n昨夜雨疏风骤，浓睡不消残酒。", "浣溪沙\n一曲新词酒一杯"]
KINDS = pytest.mark.parametrize("kind", ["byte_bpe", "unigram", "character"])


def fitted(texts=POEMS, **given) -> TextModality:
    modality = TextModality(**{"kind": "character", "vocabulary_size": 300, **given})
    modality.fit(texts, HERE)
    return modality


def collated(modality: TextModality, *texts: str | None):
    return modality.collate([None if text is None else modality.read(text, HERE) for text in texts])


def test_each_character_is_a_token():
    modality = fitted()

    assert len(modality.read(POEMS[0], HERE)) == len(POEMS[0]) + 2
    assert set("".join(POEMS)) <= set(modality.facts()["tokens"])


def test_the_commonest_characters_are_kept_and_the_rest_is_unknown():
    modality = fitted(["aaab", "bcd"], vocabulary_size=6)
    facts = modality.facts()

    assert facts["tokens"][4:] == ("a", "b")
    assert modality.read("cab", HERE).tolist()[1:-1] == [facts["unknown"], 4, 5]


def test_characters_equally_common_come_by_code_point(tmp_path):
    fitted(["cbda"]).save(tmp_path)
    one = (tmp_path / "tokenizer.json").read_bytes()
    fitted(["adbc"]).save(tmp_path)

    assert (tmp_path / "tokenizer.json").read_bytes() == one


def test_too_small_a_vocabulary_for_bytes_is_refused():
    with pytest.raises(ConfigError, match=r"at least 260 for kind 'byte_bpe'.*choose kind 'character'"):
        TextModality(vocabulary_size=100)


@KINDS
def test_the_prompt_is_given_and_not_scored(kind):
    modality = fitted(kind=kind, prompt_ends="\n")
    bos, eos = modality.facts()["bos"], modality.facts()["eos"]

    field = collated(modality, *POEMS, None)

    for row, text in enumerate(POEMS):
        prompt = field.values[row][field.mask[row] & ~field.scored[row]]
        rest = field.values[row][field.scored[row]]
        assert prompt[0] == bos
        assert rest[-1] == eos
        assert modality.decode(prompt.unsqueeze(0)) == [text[: text.index("\n") + 1]]
        assert modality.decode(rest.unsqueeze(0)) == [text[text.index("\n") + 1 :]]
    assert not field.scored[-1].any()
    assert not (field.scored & ~field.mask).any()
    assert modality.decode(field.values)[:3] == POEMS


def test_the_first_end_of_a_prompt_counts():
    modality = fitted(["a\nb\nc"], prompt_ends="\n")

    field = collated(modality, "a\nb\nc")

    assert field.scored.tolist() == [[False, False, False, True, True, True, True]]


@pytest.mark.parametrize(("text", "scored"), [("ab", 3), ("", 1), ("ab\n", 1), ("\nab", 3)])
def test_a_text_without_a_prompt_is_scored_but_for_its_beginning(text, scored):
    field = collated(fitted(["ab\n"], prompt_ends="\n"), text)

    assert field.scored.sum() == scored
    assert not field.scored[0, 0]


def test_without_prompts_nothing_is_said_of_scores():
    assert collated(fitted(), *POEMS).scored is None


def test_a_prompt_that_leaves_no_room_for_what_follows_is_refused():
    """The row would teach to answer nothing."""
    modality = fitted(prompt_ends="\n", max_tokens=7)

    with pytest.raises(DataError, match=r"the prompt of '水调歌头.* leaves no room .* within max_tokens \(7\)"):
        modality.read(POEMS[0], HERE)

    assert collated(modality, POEMS[1]).scored.tolist() == [[False] * 5 + [True] * 2]
    assert len(modality.prompt(POEMS[0], HERE)) == 1 + len(POEMS[0])


def test_a_long_prompt_that_nothing_follows_is_read():
    field = collated(fitted(prompt_ends="\n", max_tokens=4), "水调歌头\n")

    assert field.scored.tolist() == [[False, False, False, True]]


def test_what_is_to_be_written_on_has_no_end():
    modality = fitted(prompt_ends="\n")
    facts = modality.facts()

    field = modality.collate([modality.prompt("水调歌头\n明月", HERE), modality.prompt("", HERE)])

    assert field.values[0, 0] == facts["bos"]
    assert facts["eos"] not in field.values
    assert modality.decode(field.values) == ["水调歌头\n明月", ""]


def test_a_prompt_with_tags_comes_back(tmp_path):
    pytest.importorskip("jieba", reason="jieba, an extra of mm-text, is not installed")
    modality = fitted(prompt_ends="\n", taggers={"zh": "jieba"})
    ids = modality.read(POEMS[0], HERE)

    assert modality.show(ids) == ("text", POEMS[0])
    assert collated(modality, POEMS[0]).scored.sum() == len(POEMS[0].split("\n")[1]) + 1


def test_an_empty_end_of_prompts_is_refused():
    with pytest.raises(ConfigError, match="prompt_ends is empty"):
        TextModality(prompt_ends="")


def test_the_share_of_texts_that_are_cut_is_known(tmp_path):
    modality = fitted(["a", "ab", "abc", "abcd"], max_tokens=4)
    modality.save(tmp_path)

    assert modality.facts()["truncated"] == 0.5
    assert json.loads((tmp_path / "text.json").read_text())["truncated"] == 0.5
    assert fitted(["a", "ab"], max_tokens=4).facts()["truncated"] == 0


@KINDS
def test_only_unknown_characters_are_read_and_written(kind):
    modality = fitted(kind=kind)

    field = collated(modality, "☃☃☃", "")

    assert field.present.all()
    assert field.mask[0].sum() > 2
    assert len(modality.decode(field.values)) == 2


@KINDS
def test_chinese_and_emoji_together_come_back(kind):
    text = "🙂明月👩‍👩‍👧几时有🇨🇳"
    modality = fitted([text], kind=kind, vocabulary_size=400)

    assert modality.decode(collated(modality, text).values) == [text]


@KINDS
@pytest.mark.parametrize("segment", ["none", "jieba"])
def test_a_megabyte_in_one_cell_is_cut_in_no_time(kind, segment):
    if segment == "jieba":
        pytest.importorskip("jieba", reason="jieba, an extra of mm-text, is not installed")
    modality = fitted(kind=kind, segment=segment, prompt_ends="\n")
    modality.read("明月", HERE)  # whatever is loaded at the first text
    start = time.perf_counter()

    ids = modality.read("明月几时有" * 70_000, HERE)

    assert len(ids) == 64
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", ["\ud83d", "a\udc80b"])
def test_what_was_no_utf8_is_a_data_error(text):
    with pytest.raises(DataError, match="half of a character"):
        fitted(prompt_ends="\n").read(text, HERE)


def test_tokens_of_a_prompt_reach_the_encoder_as_tokens():
    field = collated(fitted(prompt_ends="\n"), *POEMS)

    assert field.values.min() >= 0
    assert field.values.dtype == torch.long
