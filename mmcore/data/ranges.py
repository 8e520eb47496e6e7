"""Ranges of bytes in files, and which of them are worth one request."""

from collections.abc import Sequence
from dataclasses import dataclass

NEAR = 4096
"""Bytes: to fetch and drop so many between two ranges costs no more than a request of its own."""
LARGEST = 8 * 2**20
"""Bytes of one request, as S3 advises: more than that comes faster in several, side by side."""


@dataclass(frozen=True)
class Range:
    """The bytes of a file from `start` on, `end` left out."""

    file: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"bytes {self.start} to {self.end} of {self.file}"


def joined(ranges: Sequence[Range]) -> list[Range]:
    """Neighbours in the order given as one range; only a range that is larger by itself passes LARGEST."""
    found = list[Range]()
    for one in ranges:
        last = found[-1] if found else None
        is_near = last is not None and last.file == one.file and 0 <= one.start - last.end <= NEAR
        if last is not None and is_near and one.end - last.start <= LARGEST:
            found[-1] = Range(one.file, last.start, one.end)
        else:
            found.append(one)
    return found


def cut(ranges: Sequence[Range], wholes: Sequence[Range], answers: Sequence[bytes]) -> list[bytes]:
    """The bytes of each range out of those that `joined` made of them."""
    found, at = list[bytes](), 0
    for one in ranges:
        while not (wholes[at].file == one.file and wholes[at].start <= one.start and one.end <= wholes[at].end):
            at += 1
        found.append(answers[at][one.start - wholes[at].start : one.end - wholes[at].start])
    return found
