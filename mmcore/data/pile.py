"""What need not be in memory until it is asked for, in a file without a name that ends with whoever fills it."""

import pickle
import weakref
from array import array as integers
from tempfile import TemporaryFile
from typing import IO, Any

from mmcore.errors import SetupError

TOGETHER = 2**16
"""Bytes of texts that are written at once."""


class Scratch:
    """Bytes, found again by where they lie."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def put(self, data: bytes) -> int:
        """Lay bytes down; returns their place. Raises SetupError where the disk is full."""
        place, left = self._end, memoryview(data)
        try:
            if self._file is None:
                # Unbuffered: what a full disk did not take would be written once more when the file is closed.
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115  it lives as long as this object
                weakref.finalize(self, self._file.close)
            self._file.seek(place)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise no_room(error) from error
        self._end += len(data)
        return place

    def get(self, place: int, size: int) -> bytes:
        """So many bytes from there on. Raises SetupError where they cannot be read."""
        if self._file is None or place + size > self._end:
            raise IndexError(place)
        parts = list[bytes]()
        try:
            self._file.seek(place)
            while size and (part := self._file.read(size)):
                parts.append(part)
                size -= len(part)
        except OSError as error:
            raise no_room(error) from error
        return b"".join(parts)


class Pile:
    """Lists of values, found again by their number."""

    def __init__(self) -> None:
        self._scratch, self._places, self._sizes = Scratch(), integers("q"), integers("q")

    def put(self, piece: list[Any]) -> int:
        """Lay a list down; returns its number. Raises SetupError where the disk is full."""
        data = pickle.dumps(piece, protocol=pickle.HIGHEST_PROTOCOL)
        self._places.append(self._scratch.put(data))
        self._sizes.append(len(data))
        return len(self._places) - 1

    def get(self, number: int) -> list[Any]:
        """The list of that number."""
        found: list[Any] = pickle.loads(self._scratch.get(self._places[number], self._sizes[number]))
        return found


class Held:
    """The same in memory, for values that are there anyway."""

    def __init__(self) -> None:
        self._pieces = list[list[Any]]()

    def put(self, piece: list[Any]) -> int:
        """Keep a list; returns its number."""
        self._pieces.append(piece)
        return len(self._pieces) - 1

    def get(self, number: int) -> list[Any]:
        """The list of that number."""
        return self._pieces[number]


class Texts:
    """Texts, found again by their number, in any order: 8 bytes of each are in memory."""

    def __init__(self) -> None:
        self._scratch, self._ends, self._last = Scratch(), integers("q", [0]), bytearray()

    def append(self, text: str) -> None:
        """One more. Raises SetupError where the disk is full."""
        data = text.encode()
        self._last += data
        self._ends.append(self._ends[-1] + len(data))
        if len(self._last) >= TOGETHER:
            self._scratch.put(bytes(self._last))
            self._last = bytearray()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        written = self._ends[-1] - len(self._last)
        if start < written:
            return self._scratch.get(start, end - start).decode()
        return self._last[start - written : end - written].decode()


def no_room(error: Exception) -> SetupError:
    """What to tell where a temporary file fails."""
    return SetupError(
        f"What is known of the rows so far cannot be kept in a temporary file: {error}. Free some disk space, or name "
        "another folder in TMPDIR."
    )
