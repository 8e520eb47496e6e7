"""Texts to numbers and back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from mm_text.modality import TextModality
from mm_text.modality.tokenizer import LONGEST, OURS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mmcore.errors import ArtifactError, DataError

ENGLISH = ["is there a circle?", "what color is the shape?", "is there not a Blue shape?"] * 4
CHINESE = ["春眠不觉晓，处处闻啼鸟。", "床前明月光，疑是地上霜。", "白日依山尽，黄河入海流。"] * 4
HERE = Path()


def fitted(texts=(*ENGLISH, *CHINESE), **given) -> TextModality:
    modality = TextModality(**{"vocabulary_size": 400, "max_tokens": 64, **given})
    modality.fit(texts, HERE)
    return modality


def there_and_back(modality: TextModality, text) -> str:
    return modality.decode(torch.from_numpy(modality.read(text, HERE)).unsqueeze(0))[0]


@pytest.mark.parametrize(
    "text", [*ENGLISH[:3], *CHINESE[:3], "", " two  spaces ", "line\nbreak", "naïve 🙂 Ω", "<eos> [MASK]"]
)
def test_a_text_comes_back_as_it_was(text):
    assert there_and_back(fitted(), text) == text


@settings(max_examples=60, deadline=None)
@given(strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=10))
def test_any_text_comes_back_in_its_normal_form(text):
    import unicodedata

    assert there_and_back(MODALITY, text) == unicodedata.normalize("NFC", text)


def test_chinese_gets_tokens_of_more_than_one_character():
    modality = fitted(CHINESE)

    ids = modality.read(CHINESE[0], HERE)

    assert len(ids) < len(CHINESE[0])
    assert "春眠不觉晓" in modality.facts()["tokens"]


def test_of_a_word_without_end_no_token_is_longer_than_what_is_learned_at_once():
    endless = "天地玄黄" * 2000

    modality = fitted([endless])

    assert max(map(len, modality.tokenizer.get_vocab())) <= LONGEST  # a sign for each byte
    assert there_and_back(modality, endless) == endless


def test_a_text_of_words_is_learned_as_the_library_does():
    """Cut is what is too long alone: a long text of short words is not."""
    texts = ["".join([*ENGLISH, *CHINESE]) * 20]
    plain = Tokenizer(models.BPE())
    plain.normalizer, plain.pre_tokenizer = normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=OURS, initial_alphabet=alphabet, show_progress=False)
    plain.train_from_iterator(texts, trainer)

    assert fitted(texts).tokenizer.get_vocab() == plain.get_vocab()


def test_two_ways_to_write_a_letter_are_one():
    modality = fitted()

    np.testing.assert_array_equal(modality.read("caf\u00e9", HERE), modality.read("cafe\u0301", HERE))


def test_small_letters_are_a_choice():
    assert there_and_back(fitted(), "Blue") == "Blue"
    assert there_and_back(fitted(lowercase=True), "Blue") == "blue"


def test_an_empty_text_is_a_beginning_and_an_end():
    modality = fitted()
    facts = modality.facts()

    assert modality.read("", HERE).tolist() == [facts["bos"], facts["eos"]]


def test_a_long_text_is_cut_and_still_ends():
    modality = fitted(max_tokens=5)
    facts = modality.facts()

    ids = modality.read("what color is the shape? " * 9, HERE)

    assert len(ids) == facts["max_tokens"] == 5
    assert (ids[0], ids[-1]) == (facts["bos"], facts["eos"])


def test_a_text_cannot_smuggle_special_tokens_in():
    modality = fitted()
    facts = modality.facts()

    inside = modality.read("a <eos> b <pad>", HERE)[1:-1]

    assert not set(inside) & {facts["pad"], facts["bos"], facts["eos"], facts["unknown"]}


def test_a_special_token_that_a_unigram_finds_in_a_text_is_unknown_and_ends_nothing():
    modality = fitted(kind="unigram", vocabulary_size=100)
    facts = modality.facts()

    inside = modality.read("what <bos><eos> color <pad> is", HERE)[1:-1].tolist()

    assert not set(inside) & {facts["pad"], facts["bos"], facts["eos"]}
    assert facts["unknown"] in inside
    assert there_and_back(modality, "what <eos> color").endswith("color")


@pytest.mark.parametrize(("cell", "text"), [(42, "42"), (1.5, "1.5"), (-3, "-3")])
def test_numbers_are_read_as_they_are_written(cell, text):
    np.testing.assert_array_equal(fitted().read(cell, HERE), fitted().read(text, HERE))


@pytest.mark.parametrize("cell", [None, b"bytes", ["a"], {"a": 1}, float("nan"), True])
def test_what_is_no_text_is_a_data_error(cell):
    with pytest.raises(DataError, match="must be a string or a number"):
        fitted().read(cell, HERE)


def test_half_a_character_is_a_data_error():
    with pytest.raises(DataError, match="half of a character"):
        fitted().read("\ud83d", HERE)


def test_texts_are_padded_on_the_right_and_absent_ones_are_masked():
    modality = fitted()
    arrays = [modality.read("what?", HERE), None, modality.read("is there a circle?", HERE)]

    field = modality.collate(arrays)

    assert field.present.tolist() == [True, False, True]
    assert field.mask.sum(1).tolist() == [len(arrays[0]), 0, len(arrays[2])]
    assert (field.values[~field.mask] == modality.facts()["pad"]).all()


def test_texts_of_one_length_need_no_mask():
    modality = fitted()

    assert modality.collate([modality.read("what?", HERE)] * 3).mask is None
    assert modality.collate([None]).mask.tolist() == [[False]]


def test_writing_ends_at_the_first_end():
    modality = fitted()
    facts, words = modality.facts(), modality.read("a circle", HERE)[1:-1].tolist()
    row = [facts["bos"], *words, facts["eos"], *words, facts["pad"]]

    assert modality.decode(torch.tensor([row])) == ["a circle"]


def test_every_number_has_a_reading():
    facts = fitted().facts()

    assert len(facts["tokens"]) == facts["vocabulary"]
    assert " shape" in facts["tokens"]


def test_there_must_be_a_text_to_learn_from():
    with pytest.raises(DataError, match="no text to learn from"):
        fitted([])
    with pytest.raises(DataError, match="no text to learn from"):
        fitted([float("nan")])


SAVE = """
import sys
from pathlib import Path
from mm_text.modality import TextModality
modality = TextModality(vocabulary_size=400)
modality.fit(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(), Path())
modality.save(Path(sys.argv[2]))
"""


def test_the_saved_tokenizer_is_the_same_to_the_byte_in_every_process(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join([*ENGLISH, *CHINESE]), encoding="utf-8")
    found = set()
    for seed, threads in (("1", "true"), ("2", "false"), ("3", "true")):
        (tmp_path / seed).mkdir()
        environment = {"PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": threads, "PYTHONPATH": ":".join(sys.path)}
        command = [sys.executable, "-c", SAVE, str(tmp_path / "texts.txt"), str(tmp_path / seed)]
        subprocess.run(command, check=True, env=environment)
        found.add((tmp_path / seed / "tokenizer.json").read_bytes())

    assert len(found) == 1


def test_what_was_saved_reads_the_same(tmp_path):
    modality = fitted(lowercase=True)
    modality.save(tmp_path)

    loaded = TextModality.load(tmp_path, vocabulary_size=400, lowercase=True)

    assert loaded.facts() == modality.facts()
    np.testing.assert_array_equal(loaded.read("What COLOR <eos>", HERE), modality.read("What COLOR <eos>", HERE))


def test_a_lost_fit_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"tokenizer.json cannot be used .* run the fit stage again"):
        TextModality.load(tmp_path)


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, ["a"]])
def test_unigram_reads_what_it_learned_from(texts):
    modality = fitted(texts, kind="unigram")

    assert there_and_back(modality, texts[0]) == texts[0]


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_masking_takes_its_share_of_the_words_and_leaves_the_ends(strength):
    modality = fitted(max_tokens=300)
    facts = modality.facts()
    field = modality.collate([modality.read("what color " * 90, HERE), modality.read("", HERE)])

    inside = len(modality.read("what color " * 90, HERE)) - 2

    masked = modality.corrupt(field, "masked", strength=strength, generator=torch.Generator().manual_seed(0)).values

    assert (masked[0] == facts["unknown"]).sum() == pytest.approx(strength * inside, rel=0.2)
    assert masked[1].tolist() == field.values[1].tolist()
    assert (masked[0, 0], masked[0, inside + 1]) == (facts["bos"], facts["eos"])


MODALITY = fitted()
