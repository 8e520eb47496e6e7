"""Rows that cannot be used: which, why, and how many are too many."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmcore.data.writing import json_text, whole_file
from mmcore.errors import ArtifactError, DataError
from mmcore.interfaces.modality import Cell

SHOWN = 5
"""How many broken rows an error names."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One row that is left out, as a line of refused.jsonl, broken.jsonl and quarantine.jsonl."""

    id: str
    reason: str
    field: str | None = None
    """None where the row as a whole is at fault."""
    cell: Cell | None = None
    row: int | None = None
    """Index into the manifest; None where the row did not get that far."""

    def __str__(self) -> str:
        place = "" if self.field is None else f", {self.field} {self.cell!r}"
        return f"row {self.id!r}{place}: {self.reason}"


def write_broken(path: Path, broken: Iterable[Broken]) -> None:
    """One JSON object a line, in the order given."""
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(json_text(asdict(item)) + "\n" for item in broken)


def read_broken(path: Path) -> list[Broken]:
    """What `write_broken` wrote. Raises ArtifactError where it is not there or not such a file."""
    try:
        # Not `splitlines`, to which half a dozen signs that a cell may hold are ends of lines (U+2028, U+0085).
        with path.open(encoding="utf-8") as lines:
            return [Broken(**json.loads(line)) for line in lines]
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is not there. Run `dvc repro`, which writes it.") from error
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{path} is no list of broken rows: {error}. Run `dvc repro` again.") from error


def broken_rows(broken: Iterable[Broken]) -> set[int]:
    """Which manifest rows are to be left out."""
    return {item.row for item in broken if item.row is not None}


def check_share(broken: Sequence[Broken], *, total: int, max_broken: float, listed: Path, advice: str = "") -> None:
    """Raise DataError where more than `max_broken` of `total` rows are broken; it names the first few.

    listed: the file that has them all. A manifest row counts once, however many of its cells are broken.
    """
    count = sum(item.row is None for item in broken) + len(broken_rows(broken))
    if count <= max_broken * total:
        return
    first = "\n".join(f"  {item}" for item in broken[:SHOWN])
    more = "  ...\n" if len(broken) > SHOWN else ""
    raise DataError(
        f"{count} of {total} rows cannot be used: {count / total:.1%}, and data.max_broken allows {max_broken:.1%}.\n"
        f"{first}\n{more}"
        f"All of them, with reasons: {listed}. {advice}Mend the data, or raise data.max_broken in params.yaml."
    )
