"""Drawing rows so that each value of a field comes equally often."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmcore.errors import ConfigError


def even_shares(arrays: Sequence[np.ndarray | None], *, key: str) -> np.ndarray:
    """[n] chances that add up to 1: equal in sum for each distinct array, the same as before for rows without one.

    arrays: one a row. key: the setting, for messages. Raises ConfigError where nearly every row has a value of its own.
    """
    values = [None if array is None else array.tobytes() for array in arrays]
    counts = Counter(value for value in values if value is not None)
    known = counts.total()
    if not known or len(counts) > max(2, known // 2):
        raise ConfigError(
            f"{key} must name a field with few values, but {known} training rows have {len(counts)} different ones."
        )
    share = known / len(values) / len(counts)
    return np.array([1 / len(values) if value is None else share / counts[value] for value in values])
