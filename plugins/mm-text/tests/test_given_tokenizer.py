"""A tokenizer that somebody else made."""

from pathlib import Path

import pytest
from mm_text.modality import TextModality
from tokenizers import Tokenizer, models, pre_tokenizers

from mmcore.errors import ConfigError

HERE = Path()


@pytest.fixture
def bert_like(tmp_path) -> Path:
    """A tokenizer of another make: whole words, other names, its own idea of length."""
    words = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "is", "there", "a", "circle"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "given.json"))
    return tmp_path / "given.json"


def test_a_given_tokenizer_is_copied_and_its_special_tokens_found(bert_like, tmp_path):
    modality = TextModality(kind="file", tokenizer_file=str(bert_like))
    modality.fit([], HERE)
    (tmp_path / "fit").mkdir()
    modality.save(tmp_path / "fit")

    facts = modality.facts()

    assert (tmp_path / "fit" / "tokenizer.json").read_bytes() == bert_like.read_bytes()
    assert [facts[role] for role in ("pad", "unknown", "bos", "eos")] == [0, 1, 2, 3]
    assert modality.read("is there a circle", HERE).tolist() == [2, 4, 5, 6, 7, 3]
    assert modality.read("is there a zebra", HERE).tolist() == [2, 4, 5, 6, 1, 3]


def test_a_saved_copy_needs_the_given_file_no_longer(bert_like, tmp_path):
    modality = TextModality(kind="file", tokenizer_file=str(bert_like))
    modality.fit([], HERE)
    modality.save(tmp_path)
    bert_like.unlink()

    loaded = TextModality.load(tmp_path, kind="file", tokenizer_file=str(bert_like))

    assert loaded.facts() == modality.facts()


def test_a_tokenizer_without_an_end_is_refused(tmp_path):
    Tokenizer(models.WordLevel({"a": 0, "[CLS]": 1}, unk_token="a")).save(str(tmp_path / "given.json"))

    with pytest.raises(ConfigError, match="no special token for eos"):
        TextModality(kind="file", tokenizer_file=str(tmp_path / "given.json")).fit([], HERE)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "given.json").write_text("{}")

    with pytest.raises(ConfigError, match="not a tokenizer"):
        TextModality(kind="file", tokenizer_file=str(tmp_path / "given.json")).fit([], HERE)
    with pytest.raises(ConfigError, match="cannot be used"):
        TextModality(kind="file", tokenizer_file=str(tmp_path / "nowhere.json")).fit([], HERE)


@pytest.mark.parametrize(
    "given",
    [{"kind": "file"}, {"tokenizer_file": "a.json"}, {"kind": "file", "tokenizer_file": "a", "lowercase": True}],
)
def test_settings_that_contradict_each_other_are_refused(given):
    with pytest.raises(ConfigError, match=r"tokenizer_file|lowercase"):
        TextModality(**given)
