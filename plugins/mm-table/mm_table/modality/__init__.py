"""Several columns of a table as one field."""

from mm_table.modality.table import TableModality

__all__ = ["TableModality"]
