"""Lines of a UTF-8 file, with the number of the line that is not."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from mmcore.errors import DataError


def read_text_lines(path: Path) -> Iterator[str]:
    """Every line with its end, without a byte order mark. Raises DataError that names the file and the line."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if number == 1:
                if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise DataError("the file is UTF-16. Save it as UTF-8.", path=path)
                raw = raw.removeprefix(codecs.BOM_UTF8)
            try:
                yield raw.decode("utf-8")
            except UnicodeDecodeError as error:
                place = f"line {number}, byte {error.start + 1}"
                raise DataError(
                    f"{place} is not UTF-8 (0x{raw[error.start]:02x}). Save it as UTF-8.", path=path
                ) from error
