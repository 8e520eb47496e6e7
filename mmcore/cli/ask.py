"""`mm ask` and `mm find`: a question in words, an answer in words; a query, and what is nearest to it."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmcore.data.writing import without_nan
from mmcore.errors import ConfigError, DataError, listing, near_miss
from mmcore.predictor import Conversation, Finder, Predictor


def talk(
    folder: Path, words: Sequence[str], *, writing: dict[str, Any], options: Sequence[str] = (), as_json: bool = False
) -> None:
    """Answer one question, or, without one, every line that is typed until there are no more.

    writing: settings of `Writing`; a temperature above 0 draws from one beam. options: of the command, for messages.
    as_json: a line of JSON for each question. Raises ConfigError for settings of texts where the model writes none,
    DataError at the end where a line of a pipe was not answered.
    """
    predictor = Predictor.load(folder)
    given, question = sort_out(
        words, predictor.columns, fields=[*predictor.inputs, *predictor.written], options=options
    )
    if writing and not predictor.written:
        named = listing(f"--{name.replace('_', '-')}" for name in writing)
        raise ConfigError(f"This model writes no text: {named} would change nothing. Leave it out.")
    predictor.write_with(**({"beams": 1} if writing.get("temperature", 0.0) > 0 else {}), **writing)
    conversation = Conversation(predictor, given)
    if question:
        _answer(conversation, question, as_json=as_json)
        return
    interactive = sys.stdin.isatty()
    asked = failed = 0
    while (line := _line(interactive and not as_json)) is not None:
        if question := line.strip():
            asked += 1
            try:
                _answer(conversation, question, as_json=as_json)
            except DataError as error:  # a question that cannot be read does not end the conversation
                failed += 1
                print(f"mm: {error}", file=sys.stderr)
    if failed and not interactive:
        raise DataError(f"{failed} of {asked} questions could not be answered: see above.")


def search(
    folder: Path,
    words: Sequence[str],
    *,
    within: Path,
    top: int,
    task: str | None = None,
    options: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Print the nearest things, one a line, with how near they are; as_json: one object with all of them.

    task: as of `Finder`. options: of the command, for messages.
    """
    predictor = Predictor.load(folder)
    finder = Finder(predictor, task=task)
    given, question = sort_out(words, predictor.columns, fields=finder.fields, options=options)
    if bool(question) == bool(given) or len(given) > 1:
        raise ConfigError("Ask by one thing: a text, or --FIELD VALUE, for example --image a.png.")
    found = finder.find(given or {finder.by_text(): question}, within, top=top)
    if as_json:
        told = {"found": [asdict(one) for one in found], "broken": finder.broken}
        print(json.dumps(without_nan(told), indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(f"{one.near:.3f}  {one.name}")
    if finder.broken:
        print(f"mm: {finder.broken} in {within} could not be read and were left out.", file=sys.stderr)
    if finder.unkept:
        print(f"mm: what was embedded is not kept for the next search: {finder.unkept}", file=sys.stderr)


def sort_out(
    words: Sequence[str], known: Collection[str], *, fields: Sequence[str], options: Sequence[str] = ()
) -> tuple[dict[str, str], str]:
    """`--image a.png what is it` -> the cells of fields, and the question.

    known: names that a cell may have. fields, options: what there is to choose from, for messages.
    Raises ConfigError for a name that is none of them, for one without a value, and for one that stands twice.
    """
    given, question, rest = dict[str, str](), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            question.append(word)
            continue
        name, sign, value = word.removeprefix("--").partition("=")
        if name not in known:
            hint = near_miss(name, [*known, *(option.removeprefix("--") for option in options)])
            there = f"Fields: {listing(f'--{field}' for field in fields)}. Options: {listing(options)}."
            raise ConfigError(f"--{name} is no field of the model and no option.{hint} {there}")
        if not sign:
            if not rest:
                raise ConfigError(f"{word} has no value: write {word} VALUE.")
            value = rest.pop(0)
        if name in given:
            raise ConfigError(f"--{name} is given twice: {given[name]!r} and {value!r}.")
        given[name] = value
    return given, " ".join(question)


def _answer(conversation: Conversation, question: str, *, as_json: bool) -> None:
    """Print what the model says. Raises DataError for one that cannot be read, which has its line of JSON too."""
    if not as_json:
        conversation.ask(question, lambda piece: print(piece, end="", flush=True))
        print()
        return
    try:
        _print_line({"question": question, "answer": conversation.ask(question)})
    except DataError as error:
        _print_line({"question": question, "error": str(error)})
        raise


def _print_line(told: dict[str, str]) -> None:
    """One line at once: a program may wait for it before it asks on."""
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _line(interactive: bool) -> str | None:
    try:
        return input("> " if interactive else "")
    except EOFError:
        return None
