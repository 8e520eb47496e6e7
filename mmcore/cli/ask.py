"""`mm ask` and `mm find`: a question in words, an answer in words; a query, and what is nearest to it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcore.errors import ConfigError, DataError
from mmcore.predictor import Conversation, Finder, Predictor


def talk(folder: Path, words: Sequence[str], *, writing: dict[str, Any]) -> None:
    """Answer one question, or, without one, every line that is typed until there are no more."""
    given, question = sort_out(words)
    predictor = Predictor.load(folder)
    predictor.write_with(**writing)
    conversation = Conversation(predictor, given)
    if question:
        _answer(conversation, question)
        return
    interactive = sys.stdin.isatty()
    while (line := _line(interactive)) is not None:
        if line.strip():
            try:
                _answer(conversation, line.strip())
            except DataError as error:  # a question that cannot be read does not end the conversation
                print(f"mm: {error}", file=sys.stderr)


def search(folder: Path, words: Sequence[str], *, within: Path, top: int) -> None:
    """Print the nearest things, one a line, with how near they are."""
    given, question = sort_out(words)
    finder = Finder(Predictor.load(folder))
    if bool(question) == bool(given) or len(given) > 1:
        raise ConfigError("Ask by one thing: a text, or --FIELD VALUE, for example --image a.png.")
    for found in finder.find(given or {finder.by_text(): question}, within, top=top):
        print(f"{found.near:.3f}  {found.name}")
    if finder.broken:
        print(f"mm: {finder.broken} in {within} could not be read and were left out.", file=sys.stderr)
    if finder.unkept:
        print(f"mm: what was embedded is not kept for the next search: {finder.unkept}", file=sys.stderr)


def sort_out(words: Sequence[str]) -> tuple[dict[str, str], str]:
    """`--image a.png what is it` -> the cells of fields, and the question. Raises ConfigError for an empty option."""
    given, question, rest = dict[str, str](), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            question.append(word)
            continue
        name, sign, value = word.removeprefix("--").partition("=")
        if not sign:
            if not rest:
                raise ConfigError(f"{word} has no value: write {word} VALUE.")
            value = rest.pop(0)
        given[name] = value
    return given, " ".join(question)


def _answer(conversation: Conversation, question: str) -> None:
    conversation.ask(question, lambda piece: print(piece, end="", flush=True))
    print()


def _line(interactive: bool) -> str | None:
    try:
        return input("> " if interactive else "")
    except EOFError:
        return None
