"""What these sets have in common: one file or several, and splits that files are named after."""

import re
from collections.abc import Sequence

from mmcore.errors import ConfigError

OneOrMore = str | tuple[str, ...]
"""A path, or several."""

SPLITS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "testdev"), "test"),
}
"""What splits are called -> which they are."""
ENDINGS = ("set", "sets", "data", "split", "std", "mini")
SPLIT = re.compile(
    rf"(?i:(?<![a-z])({'|'.join(SPLITS)})(?:{'|'.join(ENDINGS)})?)"
    r"(?![a-z])(?!(?<=[A-Z])[A-Z])"
)
"""A whole word: `devices` and `values` are none, `val2017`, `trainImages` and `testset` hold one."""


def listed(paths: OneOrMore) -> tuple[str, ...]:
    """Always several."""
    return (paths,) if isinstance(paths, str) else paths


def beside(paths: OneOrMore, others: OneOrMore, *, setting: str) -> Sequence[tuple[str, str]]:
    """Pairs of a path and what belongs to it: one for all, or one for each. Raises ConfigError for another number."""
    ones, twos = listed(paths), listed(others)
    if len(twos) == 1:
        twos = twos * len(ones)
    if len(ones) != len(twos):
        raise ConfigError(f"data.source.{setting} has {len(twos)} entries for {len(ones)} files: give one, or as many.")
    return list(zip(ones, twos, strict=True))


def split_named(name: str) -> str | None:
    """train, validation or test, where a name says so: captions_val2017 -> validation."""
    found = SPLIT.search(name)
    return None if found is None else SPLITS[found.group(1).lower()]
