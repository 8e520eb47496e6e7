"""Tokenizers: trained on texts, or read from a file of the `tokenizers` library."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.writing import UNKNOWN

Kind = Literal["byte_bpe", "unigram", "character", "file"]

NAMES = {
    "pad": ("<pad>", "[PAD]", "<|pad|>", "<|endoftext|>"),
    "bos": ("<bos>", "<s>", "[BOS]", "[CLS]", "<|begin_of_text|>", "<|im_start|>", "<|endoftext|>"),
    "eos": ("<eos>", "</s>", "[EOS]", "[SEP]", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>"),
    "unknown": ("<unk>", "[UNK]", "<|endoftext|>"),
}
"""What special tokens are called, ours first; the rest are the names of well-known models."""
OURS = [names[0] for names in NAMES.values()]

LONGEST = 1024
"""Bytes of a word that are learned from at once: it takes their square, and Chinese without punctuation is one word."""
PARTS = Regex(rf"[\s\S]{{1,{LONGEST}}}")


@dataclass(frozen=True)
class Specials:
    """The numbers of the special tokens."""

    pad: int
    bos: int
    eos: int
    unknown: int

    @classmethod
    def of(cls, tokenizer: Tokenizer, what: str) -> "Specials":
        """Found by their names; `what` names the tokenizer in messages. pad and unknown fall back to eos.

        Raises ConfigError where there is no beginning or no end.
        """
        found = {role: _first(tokenizer.token_to_id(name) for name in names) for role, names in NAMES.items()}
        for role in ("bos", "eos"):
            if found[role] is None:
                raise ConfigError(f"{what} has no special token for {role}. One of these is needed: {NAMES[role]}.")
        return cls(**{role: found["eos"] if number is None else number for role, number in found.items()})


def train(
    kind: Kind, texts: Iterable[str], *, vocabulary_size: int, lowercase: bool, pieces: bool = False
) -> Tokenizer:
    """A tokenizer of `kind` learned from texts, the same to the byte for the same texts, unless it is unigram.

    pieces: texts are encoded piece by piece: none may begin with a space that was not there.
    """
    # One form for characters that can be written in two: é as one sign, or as e and an accent.
    normalizer = normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])])
    if kind == "character":
        return _of_characters(texts, vocabulary_size, normalizer)
    model, trainer = TRAINERS[kind](vocabulary_size)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    if kind == "byte_bpe":
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.Split(PARTS, "isolated")])
        tokenizer.decoder = decoders.ByteLevel()
    else:
        scheme = "never" if pieces else "always"
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    try:
        tokenizer.train_from_iterator(texts, trainer)
    except Exception as error:  # the library raises bare Exceptions
        raise DataError(f"no {kind} tokenizer could be learned from these texts: {error}") from error
    if kind == "byte_bpe":
        tokenizer.pre_tokenizer = words  # once learned, a long word costs little
    return tokenizer


def parse(content: str) -> Tokenizer:
    """A tokenizer from its JSON. Raises ValueError where it is none."""
    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # the library raises bare Exceptions
        raise ValueError(f"not a tokenizer of the tokenizers library: {error}") from error
    return tokenizer


def ready(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, set to encode and nothing else: length and padding are the modality's business."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a text that says "<eos>" is a text, not an end
    return tokenizer


def readings(tokenizer: Tokenizer) -> tuple[str, ...]:
    """What each number reads as; pieces of a character that are no text by themselves keep their symbol."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    symbols = {number: symbol for symbol, number in vocabulary.items()}
    found = list[str]()
    for number in range(max(symbols) + 1):
        text = tokenizer.decode([number], skip_special_tokens=False) if number in symbols else ""
        found.append(symbols[number] if "\ufffd" in text else text)
    return tuple(found)


def _of_characters(texts: Iterable[str], vocabulary_size: int, normalizer: normalizers.Normalizer) -> Tokenizer:
    """The commonest characters a token each, of those equally common the first by code point; all others unknown."""
    counts = Counter[str]()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    common = sorted(counts, key=lambda character: (-counts[character], character))[: vocabulary_size - len(OURS)]
    numbers = {symbol: number for number, symbol in enumerate([*OURS, *common])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=NAMES["unknown"][0]))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(OURS)
    return tokenizer


def _byte_bpe(vocabulary_size: int) -> tuple[models.Model, trainers.Trainer]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())  # every byte has a token: no text in any script is unknown
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=OURS, initial_alphabet=alphabet, show_progress=False
    )
    return models.BPE(), trainer


def _unigram(vocabulary_size: int) -> tuple[models.Model, trainers.Trainer]:
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary_size, special_tokens=OURS, unk_token=NAMES["unknown"][0], show_progress=False
    )
    return models.Unigram(), trainer


TRAINERS: dict[str, Callable[[int], tuple[models.Model, trainers.Trainer]]] = {
    "byte_bpe": _byte_bpe,
    "unigram": _unigram,
}
SMALLEST = 256 + len(OURS)
"""Every byte and the special tokens."""


def cut(ids: Sequence[int], specials: Specials) -> list[int]:
    """What stands between the beginning and the first end, without padding."""
    rest = list(ids)
    if rest and rest[0] == specials.bos:
        rest = rest[1:]
    if specials.eos in rest:
        rest = rest[: rest.index(specials.eos)]
    return [number for number in rest if number not in (specials.pad, specials.bos)]


def marked(tokenizer: Tokenizer, ids: Sequence[int], unknown: int) -> str:
    """As the library decodes them, with UNKNOWN where one is `unknown`: joined to the others as any token is."""
    if unknown not in ids:
        return str(tokenizer.decode(ids))
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    kept = [number for number in ids if number == unknown or number not in special]
    tokens = [UNKNOWN if number == unknown else tokenizer.id_to_token(number) for number in kept]
    known = [token for token in tokens if token is not None]
    return " ".join(known) if tokenizer.decoder is None else str(tokenizer.decoder.decode(known))


def _first(numbers: Iterable[int | None]) -> int | None:
    return next((number for number in numbers if number is not None), None)
