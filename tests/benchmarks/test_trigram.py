"""The floor for poems is a probability, and knows what it says it knows."""

import math

import pytest
from floors.trigram import END, LETTER, MARKS, UNKNOWN, Discounted, Trigram


def song(tune, first, rest):
    return {"tune": tune, "text": f"{tune}：{first}\n{rest}"}


SONGS = [song("甲", "春风。", "花落水。"), song("乙", "春水。", "花，落。"), song("甲", "秋水。", "月落花。")] * 4


def test_probabilities_of_all_symbols_sum_to_one():
    model = Discounted()
    for symbol in "aabac":
        model.learn([("two", "x"), ("one",)], symbol)
    alphabet = "abcdef"
    for contexts in ([("two", "x"), ("one",)], [("two", "never seen"), ("one",)], []):
        told = [model.probability(contexts, symbol, base=1 / len(alphabet)) for symbol in alphabet]
        assert sum(told) == pytest.approx(1)
        assert min(told) > 0


def test_only_what_is_written_is_scored_with_its_end():
    model = Trigram().fit(SONGS)
    assert [symbols for _, symbols in model.bits(SONGS[:2])] == [len("花落水。") + 1, len("花，落。") + 1]


def test_the_form_of_a_tune_tells_where_lines_end():
    with_form, without = (Trigram(knows_form=knows).fit(SONGS) for knows in (True, False))
    new = [song("乙", "秋风。", "月，花。")]
    assert with_form.bits(new)[0][0] < without.bits(new)[0][0]


def test_a_character_never_seen_costs_more_than_a_known_one_and_not_everything():
    model = Trigram().fit([*SONGS, song("甲", "春风。", "落鸟水。")])
    known, unseen = (model.bits([song("甲", "春风。", f"花{letter}水。")])[0][0] for letter in "落龘")
    assert known < unseen < math.inf


def test_marks_end_and_letters_are_told_apart():
    assert not {END, UNKNOWN, LETTER} & MARKS
