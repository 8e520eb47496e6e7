"""A modality of files, for toys."""

from pathlib import Path

from mmcore.errors import DataError
from mmcore.testing.toys.modalities import VectorModality


class VectorFile(VectorModality):
    """Vectors in files of their own; counts how many were read."""

    files = True
    reads = 0

    def fit(self, cells, base):
        super().fit([(base / str(cell)).read_text() for cell in cells], base)

    def read(self, cell, base):
        VectorFile.reads += 1
        try:
            text = (base / str(cell)).read_text(errors="replace")
        except OSError as error:
            raise DataError("cannot be read.", path=base / str(cell)) from error
        return super().read(text, Path())
