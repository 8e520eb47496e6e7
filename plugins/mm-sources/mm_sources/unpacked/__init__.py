"""Sets that keep pictures and sounds inside larger files; those are unpacked once, since a cell names a file."""

from mm_sources.unpacked.hf_dataset import HFDatasetSource
from mm_sources.unpacked.webdataset import WebDatasetSource

__all__ = ["HFDatasetSource", "WebDatasetSource"]
