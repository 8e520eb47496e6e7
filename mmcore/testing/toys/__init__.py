"""Small parts that run in memory, and a registry that knows only them: what tests of the core are built from."""

from mmcore.testing.toys.kit import toy_batch, toy_modalities, toy_plugins, toy_rows

__all__ = ["toy_batch", "toy_modalities", "toy_plugins", "toy_rows"]
