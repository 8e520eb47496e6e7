"""Time series from files."""

from mm_series.modality.series import SeriesModality

__all__ = ["SeriesModality"]
