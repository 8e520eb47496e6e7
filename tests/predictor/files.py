"""A modality of files, for toys."""

from pathlib import Path

from mmcore.testing.toys.modalities import VectorModality


class VectorFile(VectorModality):
    """Vectors in files of their own; counts how many were read."""

    files = True
    reads = 0

    def fit(self, cells, base):
        super().fit([(base / str(cell)).read_text() for cell in cells], base)

    def read(self, cell, base):
        VectorFile.reads += 1
        return super().read((base / str(cell)).read_text(errors="replace"), Path())
