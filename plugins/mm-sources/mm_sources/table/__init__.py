"""A table of one's own: CSV, JSON lines or Parquet."""

from mm_sources.table.source import TableSource

__all__ = ["TableSource"]
