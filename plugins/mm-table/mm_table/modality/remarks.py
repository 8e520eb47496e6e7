"""What a person should know of a column that is taken for categories: it may be meant otherwise."""

from collections import Counter
from collections.abc import Sequence

from mm_table.modality.record import is_number, label_of
from mmcore.interfaces.source import number_in

NEARLY_ALL = 0.9
"""From this share of numbers among its cells on a column looks as if it were meant to be numbers."""
SHOWN = 40
"""Characters of a cell that are quoted."""

Value = str | int | float | bool


def remark_on(name: str, values: Sequence[Value], *, min_count: int, meant: bool) -> str | None:
    """Where nearly all of its cells are numbers, or most are too rare to be told apart; None where all is well.

    values: of its training cells, without the missing ones. meant: whether the settings say that it is categories:
    nothing is left to remark on then.
    """
    if meant:
        return None
    others = [value for value in values if not _is_number(value)]
    if values and len(values) - len(others) >= NEARLY_ALL * len(values):
        return _of_numbers(name, others, count=len(values))
    labels = [label_of(value) for value in values]
    counts = Counter(labels)
    rare = [label for label in labels if counts[label] < min_count]
    if 2 * len(rare) > len(labels):
        return (
            f"column {name!r} is taken for categories, but {len(rare)} of its {len(labels)} training cells are seen "
            f"less than {min_count} times (min_count), {rare[0][:SHOWN]!r} among them, and so all of these are one to "
            "the model. Write numbers plainly (1234, not 1,234) and dates as numbers (a column for the year, one for "
            "the month), or leave the column out."
        )
    return None


def _of_numbers(name: str, others: Sequence[Value], *, count: int) -> str:
    taken = f"column {name!r} is taken for categories, although"
    kept = f"If they are categories, set categories: [{name}], and this is not told again."
    if not others:
        return (
            f"{taken} its {count} training cells are numbers, written as texts. If they are amounts, set numbers: "
            f"[{name}]. {kept}"
        )
    return (
        f"{taken} {count - len(others)} of its {count} training cells are numbers: {str(others[0])[:SHOWN]!r} is none. "
        f"If they are amounts, leave such a cell empty, as missing ones are, or set numbers: [{name}], by which its "
        f"row goes into quarantine. {kept}"
    )


def _is_number(value: Value) -> bool:
    return number_in(value) is not None if isinstance(value, str) else is_number(value)
