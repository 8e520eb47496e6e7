"""Turns to text by a chat template, cut so that it is known what is an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mm_huggingface.conversation.turns import Turn
from mmcore.errors import ConfigError, DataError, listing

SHIPPED = Path(__file__).parent / "templates"
DATE = "26 Jul 2024"
"""For templates that tell the model a date: the same one always, that of Llama's own."""

Piece = tuple[str, bool]
"""A stretch of text, and whether the model is to write it."""


@dataclass(frozen=True)
class Template:
    """A chat template in Jinja, as transformers has it, and the special tokens that it may name."""

    source: str
    bos: str
    eos: str

    def pieces(self, turns: Sequence[Turn]) -> list[Piece]:
        """The whole conversation; an answer goes on to what stands before the next question.

        Raises DataError where the template refuses the turns, ConfigError where it writes earlier turns anew with each
        further one, so that no answer has a place of its own.
        """
        found, done = list[Piece](), ""
        for number, (role, _) in enumerate(turns):
            if role == "assistant":
                before = self.asked(turns[:number])
                after = self._render(turns[: number + 1], asks=False)
                if not before.startswith(done) or not after.startswith(before):
                    raise ConfigError(
                        "the chat template writes a conversation otherwise once it goes on, so it cannot be told what "
                        "is an answer. Set the modality's template to another one: vicuna, or the path of a Jinja file."
                    )
                found += [(before[len(done) :], False), (after[len(before) :], True)]
                done = after
        return found

    def asked(self, turns: Sequence[Turn]) -> str:
        """Turns that end with a question, up to where the answer is to be written."""
        return self._render(turns, asks=True)

    def _render(self, turns: Sequence[Turn], *, asks: bool) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        messages = [{"role": role, "content": text} for role, text in turns]
        try:
            rendered, _ = render_jinja_template(
                [messages],
                chat_template=self.source,
                add_generation_prompt=asks,
                bos_token=self.bos,
                eos_token=self.eos,
                date_string=DATE,
            )
        except Exception as error:  # a template may raise anything
            raise DataError(
                f"the chat template does not take the conversation {str(messages)[:80]!r}: {error}"
            ) from error
        return str(rendered[0])


def read_template(named: str) -> str:
    """The source of a template: one of those shipped, or a file. Raises ConfigError where there is none."""
    shipped = {path.stem: path for path in SHIPPED.glob("*.jinja")}
    path = shipped.get(named, Path(named))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"template {named!r} is none of {listing(shipped)}, and no Jinja file that can be read: {error}."
        ) from error
