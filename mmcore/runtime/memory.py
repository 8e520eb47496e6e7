"""Memory that was freed and is wanted again: kept by the process, not given back in between."""

# What glibc gives back to the system comes again as empty pages, each by an interrupt. When it gives back depends on
# the sizes of tensors: of trainings on a CPU some spent a quarter of their time on it, some next to nothing, and one
# network much at one size of batch and nothing at another. The peak grew by 0 to 22 %. See also benchmarks/NOTES.md.

import ctypes
import os
import platform

import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # malloc.h
KEPT = 2**30
"""Bytes that may lie idle at the end of the heap."""
CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Who sets one of these has chosen."""


def keep_freed_memory() -> bool:
    """Whether this process keeps, from now on, what it frees; with another C library nothing changes."""
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in CHOSEN):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_MAX, 0))


def is_out_of_memory(error: BaseException) -> bool:
    """On a GPU or a CPU; torch says the latter in a plain RuntimeError."""
    text = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )
