"""Scalars in the files that TensorBoard reads, without TensorBoard: records of a small protocol buffer each.

The format is tensorflow's (core/lib/io/record_writer.h, core/util/event.proto): a length, its checksum, an event, its
checksum; an event is a time, a step, and names with values.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

NAME = "events.out.tfevents.1.mmcore"
"""TensorBoard looks for `tfevents` in names."""


def _table() -> tuple[int, ...]:
    """Of CRC-32C, whose polynomial is not the one of zlib."""
    rows = list[int]()
    for row in range(256):
        for _ in range(8):
            row = (row >> 1) ^ (0x82F63B78 if row & 1 else 0)
        rows.append(row)
    return tuple(rows)


_TABLE = _table()


def append_scalars(folder: Path, scalars: Mapping[str, float], *, step: int, time_s: float) -> None:
    """Add the scalars of one step to the folder's file; a new file begins with its version, as it has to."""
    path = folder / NAME
    records = [] if path.exists() else [_event(time_s, 0, _bytes(3, b"brain.Event:2"))]
    values = b"".join(_bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in scalars.items())
    records.append(_event(time_s, step, _bytes(5, values)))
    with path.open("ab") as file:
        file.write(b"".join(map(_record, records)))


def _event(time_s: float, step: int, content: bytes) -> bytes:
    said = b"\x10" + _whole(step) if step else b""
    return b"\x09" + struct.pack("<d", time_s) + said + content


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)  # masked, as the format wants it


def _bytes(number: int, content: bytes) -> bytes:
    return _whole(number << 3 | 2) + _whole(len(content)) + content


def _float(number: int, value: float) -> bytes:
    return _whole(number << 3 | 5) + struct.pack("<f", value)


def _whole(value: int) -> bytes:
    """As many bytes as it needs, seven bits in each."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
