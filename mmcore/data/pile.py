"""What need not be in memory until it is asked for, in a file without a name that ends with whoever fills it."""

import pickle
import weakref
from array import array as integers
from tempfile import TemporaryFile
from typing import IO, Any

from mmcore.errors import SetupError

TOGETHER = 2**16
"""Bytes of texts that are written at once."""
SIDE_BY_SIDE = 16
"""Of so many texts it is known where the first lies."""
LENGTH = 8
"""Bytes of the number that says how long a text is."""


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
    """Texts, found again by their number, in any order: half a byte of each is in memory."""

    def __init__(self) -> None:
        self._scratch, self._last, self._written = Scratch(), bytearray(), 0
        self._count, self._starts = 0, integers("q")

    def append(self, text: str) -> None:
        """One more. Raises SetupError where the disk is full."""
        if self._count % SIDE_BY_SIDE == 0:
            if len(self._last) >= TOGETHER:
                self._scratch.put(bytes(self._last))
                self._written, self._last = self._written + len(self._last), bytearray()
            self._starts.append(self._written + len(self._last))
        data = text.encode()
        self._last += len(data).to_bytes(LENGTH, "little") + data
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> str:
        block, place = divmod(range(self._count)[number], SIDE_BY_SIDE)
        data, at = self._block(block), 0
        for _ in range(place):
            at += LENGTH + int.from_bytes(data[at : at + LENGTH], "little")
        size = int.from_bytes(data[at : at + LENGTH], "little")
        return data[at + LENGTH : at + LENGTH + size].decode()

    def _block(self, number: int) -> bytes:
        """SIDE_BY_SIDE texts, each after its length."""
        end = self._written + len(self._last)
        start, end = [*self._starts[number : number + 2], end][:2]
        if start < self._written:
            return self._scratch.get(start, end - start)
        return bytes(self._last[start - self._written : end - self._written])


def no_room(error: Exception) -> SetupError:
    """What to tell where a temporary file fails."""
    return SetupError(
        f"What is known of the rows so far cannot be kept in a temporary file: {error}. Free some disk space, or name "
        "another folder in TMPDIR."
    )
