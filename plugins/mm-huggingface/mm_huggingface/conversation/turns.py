"""A cell to the turns of a conversation."""

import json
import re
from itertools import pairwise
from typing import Literal

from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell

Role = Literal["system", "user", "assistant"]
Turn = tuple[Role, str]

ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
LOOKS_LIKE_JSON = re.compile(r'\s*(\[\s*[{\]]|\{\s*")')
PLACEHOLDER = re.compile(r"\s*<(?:image|video|audio)>\s*")
"""What LLaVA's data has where the picture goes; here the fusion says where that is."""


def is_conversation(cell: Cell) -> bool:
    """Whether the cell is meant as turns, not as a plain text."""
    return isinstance(cell, str) and LOOKS_LIKE_JSON.match(cell) is not None


def turns_of(cell: Cell) -> list[Turn]:
    """`[{"from": "human", "value": ..}, {"from": "gpt", "value": ..}, ..]` as JSON -> the turns, question first.

    `role` and `content` are read as well. Raises DataError that names the cell where it is no such list, starts with an
    answer, or has two turns of one side after each other.
    """
    shown = str(cell)[:80]
    try:
        given = json.loads(str(cell))
    except ValueError as error:
        raise DataError(f"the conversation {shown!r} is not JSON: {error}.") from error
    if not isinstance(given, list) or not given:
        raise DataError(f"the conversation {shown!r} is no list of turns.")
    turns = [_turn(item, number, shown) for number, item in enumerate(given, start=1)]
    spoken = [role for role, _ in turns if role != "system"]
    if "system" in [role for role, _ in turns[1:]]:
        raise DataError(f"the conversation {shown!r} has a turn of the system after the first.")
    if spoken[:1] == ["assistant"]:
        raise DataError(
            f"the conversation {shown!r} starts with the answer: the first turn must be the question (from: human)."
        )
    for number, (one, other) in enumerate(pairwise(spoken), start=1):
        if one == other:
            raise DataError(
                f"the conversation {shown!r} has two turns of the {one} after each other, {number} and {number + 1}."
            )
    if not spoken:
        raise DataError(f"the conversation {shown!r} has no question.")
    return turns


def _turn(item: object, number: int, shown: str) -> Turn:
    if not isinstance(item, dict):
        raise DataError(f"the conversation {shown!r}: turn {number} is {item!r}, not a mapping with from and value.")
    role, value = item.get("from", item.get("role")), item.get("value", item.get("content"))
    if not isinstance(role, str) or role not in ROLES:
        raise DataError(f"the conversation {shown!r}: turn {number} is from {role!r}. It must be human, gpt or system.")
    if not isinstance(value, str):
        raise DataError(f"the conversation {shown!r}: turn {number} says {value!r}, which is no text.")
    return ROLES[role], PLACEHOLDER.sub(" ", value).strip()
