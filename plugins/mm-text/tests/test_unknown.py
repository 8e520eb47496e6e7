"""What has no token, in texts that answers are compared with."""

from pathlib import Path

import pytest
import torch
from mm_text.modality import TextModality
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
NUMBERS = {word: number for number, word in enumerate([*SPECIAL, "a", "dog", "##s", "."])}


def marked(modality: TextModality, text: str) -> str:
    """The text there and back."""
    return modality.decode_marked(torch.from_numpy(modality.read(text, Path())).unsqueeze(0))[0]


def of_file(tokenizer: Tokenizer, folder: Path) -> TextModality:
    """The modality with a given tokenizer."""
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "given.json"))
    modality = TextModality(kind="file", tokenizer_file=str(folder / "given.json"))
    modality.fit([], Path())
    return modality


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blue dog", "\ufffd dog"),
        ("a dog blue", "a dog \ufffd"),
        ("a blue blue dogs.", "a \ufffd \ufffd dogs."),
        ("a dog", "a dog"),
    ],
)
def test_it_is_marked_with_the_blanks_that_other_pieces_have(text, expected, tmp_path):
    pieces = Tokenizer(models.WordPiece(NUMBERS, unk_token="[UNK]"))
    pieces.decoder = decoders.WordPiece()

    assert marked(of_file(pieces, tmp_path), text) == expected


def test_it_is_a_word_among_words(tmp_path):
    words = Tokenizer(models.WordLevel(NUMBERS, unk_token="[UNK]"))

    assert marked(of_file(words, tmp_path), "a blue blue dogs") == "a \ufffd \ufffd \ufffd"


@pytest.mark.parametrize(("kind", "text"), [("character", "<unk>龘 k"), ("unigram", "k 龘 nu")])
def test_of_our_own_kinds_only_what_has_no_token_is_marked(kind, text):
    modality = TextModality(kind=kind, vocabulary_size=20)
    modality.fit(["<unk> k nu"] * 4, Path())

    assert marked(modality, text) == text.replace("龘", "\ufffd")


def test_bytes_leave_nothing_unknown():
    modality = TextModality(vocabulary_size=260)
    modality.fit(["a"], Path())

    assert marked(modality, "<unk>龘\ufffd b") == "<unk>龘\ufffd b"
