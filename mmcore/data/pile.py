"""What need not be in memory until it is asked for, in a file without a name that ends with the process."""

import pickle
import weakref
from tempfile import TemporaryFile
from typing import IO, Any

from mmcore.errors import SetupError


class Pile:
    """Lists of values, each found again by where it lies."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def put(self, piece: list[Any]) -> int:
        """Lay a list down; returns its place. Raises SetupError where the disk is full."""
        try:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115  # it lives as long as the pile
                weakref.finalize(self, self._file.close)
            place = self._file.seek(0, 2)
            pickle.dump(piece, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError as error:
            raise no_room(error) from error
        return place

    def get(self, place: int) -> list[Any]:
        """The list that lies there."""
        assert self._file is not None, "places are told by `put`"
        self._file.seek(place)
        found: list[Any] = pickle.load(self._file)
        return found


def no_room(error: Exception) -> SetupError:
    """What to tell where a temporary file cannot grow."""
    return SetupError(
        f"What is known of the rows so far cannot be kept in a temporary file: {error}. Free some disk space, or name "
        "another folder in TMPDIR."
    )
