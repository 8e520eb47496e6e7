"""A tokenizer of Hugging Face, reduced to what a conversation needs of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from mm_huggingface.conversation.disk import folder_of, quiet
from mmcore.errors import ArtifactError, ConfigError, DataError
from mmcore.interfaces.writing import UNKNOWN

FILE = "tokenizer.json"
ABOUT = "conversation.json"
ROLES = {
    "bos": ("bos_token", "cls_token"),
    "eos": ("eos_token", "sep_token"),
    "pad": ("pad_token",),
    "unknown": ("unk_token",),
}
"""Special tokens, and what transformers calls them; BERT's kin begin and end with tokens of other names."""


@dataclass(frozen=True)
class Vocabulary:
    """Texts to numbers and back."""

    content: str
    """The tokenizer.json."""
    specials: dict[str, str]
    """eos, pad, unknown and, where there is one, bos."""
    template: str | None
    """The model's chat template; None where it has none."""

    @classmethod
    def of(cls, model: str) -> "Vocabulary":
        """The tokenizer of a model on this machine. Raises SetupError or ConfigError where it cannot be had."""
        from transformers import AutoTokenizer

        folder = folder_of(model)
        try:
            with quiet():
                found = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        except Exception as error:  # transformers raises nearly anything for files that do not fit together
            raise ConfigError(f"the model {model!r} has no tokenizer that can be read: {error}") from error
        if not getattr(found, "is_fast", False):
            raise ConfigError(f"the tokenizer of {model!r} has no tokenizer.json. Convert it, or take another model.")
        named = {
            role: next(filter(None, (getattr(found, name, None) for name in names)), None)
            for role, names in ROLES.items()
        }
        eos = named["eos"] or named["bos"]
        if eos is None:
            raise ConfigError(f"the tokenizer of {model!r} has no token for the end of a text (eos_token).")
        template = found.chat_template if isinstance(found.chat_template, str) else None
        content = json.dumps(json.loads(found.backend_tokenizer.to_str()), sort_keys=True, ensure_ascii=False)
        roles = {**named, "pad": named["pad"] or eos, "unknown": named["unknown"] or eos, "eos": eos}
        return cls(content, {role: str(token) for role, token in roles.items() if token}, template)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, and the rest beside it."""
        (folder / FILE).write_bytes(self.content.encode("utf-8"))
        about = {"specials": self.specials, "template": self.template}
        (folder / ABOUT).write_text(json.dumps(about, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Read what `save` wrote. Raises ArtifactError where it is not there."""
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            found = cls((folder / FILE).read_bytes().decode("utf-8"), dict(about["specials"]), about["template"])
            found.tokenizer.get_vocab_size()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{folder} holds no tokenizer that can be used ({error}): run the fit stage again."
            ) from error
        return found

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Set to cut texts and nothing else."""
        try:
            made = Tokenizer.from_str(self.content)
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"not a tokenizer of the tokenizers library: {error}") from error
        made.no_truncation()
        made.no_padding()
        return made

    @cached_property
    def texts(self) -> Tokenizer:
        """The same, to which a special token's name is a text like any other."""
        made = Tokenizer.from_str(self.content)
        made.no_truncation()
        made.no_padding()
        made.encode_special_tokens = True
        return made

    @cached_property
    def size(self) -> int:
        """One more than the highest number."""
        return 1 + max(self.tokenizer.get_vocab(with_added_tokens=True).values())

    @cached_property
    def readings(self) -> tuple[str, ...]:
        """What each number reads as."""
        found: list[str] = self.tokenizer.decode_batch(
            [[number] for number in range(self.size)], skip_special_tokens=False
        )
        return tuple(found)

    @cached_property
    def control(self) -> frozenset[str]:
        """Names of special tokens."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        return frozenset(token.content for token in added if token.special) | set(self.specials.values())

    @cached_property
    def special(self) -> frozenset[int | None]:
        """Their numbers."""
        return frozenset(self.tokenizer.token_to_id(token) for token in self.control)

    def number(self, role: str) -> int:
        """The number of a special token by its role."""
        found = self.tokenizer.token_to_id(self.specials[role])
        assert found is not None, f"the tokenizer names {self.specials[role]!r} and does not have it"
        return int(found)

    def cut(self, text: str) -> list[int]:
        """A text that may hold special tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def cut_with_places(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        """As `cut`, each token with the characters that it was: from, to."""
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return list(zip(found.ids, found.offsets, strict=True))

    def cut_plain(self, text: str) -> list[int]:
        """A text in which nothing is special."""
        ids: list[int] = self.texts.encode(text, add_special_tokens=False).ids
        return ids

    def check_plain(self, texts: Iterable[str]) -> None:
        """Raise DataError where a text holds a special token's name: a template could not tell it from a real one."""
        for text in texts:
            for token in self.control:
                if token and token in text:
                    raise DataError(f"the text {text[:80]!r} holds {token!r}, which means something to the model.")

    def write(self, ids: Any) -> str:
        """Numbers as a text, without special tokens."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def write_marked(self, ids: list[int]) -> str:
        """As `write`, with UNKNOWN where a token stands for what has none: joined to the others as any token is."""
        unknown, decoder = self.number("unknown"), self.tokenizer.decoder
        if unknown not in ids:
            return self.write(ids)
        added = self.tokenizer.get_added_tokens_decoder()
        kept = [number for number in ids if number == unknown or number not in added or not added[number].special]
        tokens = [UNKNOWN if number == unknown else self.tokenizer.id_to_token(number) for number in kept]
        known = [token for token in tokens if token is not None]
        return " ".join(known) if decoder is None else str(decoder.decode(known))
