"""How good numbers are told; predictions and targets have a column `value`."""

from typing import Literal

import numpy as np

from mm_tasks.metrics.kinds import Digested, RowMean, ratio
from mmcore.interfaces.metric import Table


class MeanAbsoluteError(RowMean):
    """The mean of |said - true|, in the target's own units."""

    better: Literal["up", "down"] = "down"

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """|said - true|."""
        return np.abs(predictions["value"] - targets["value"])


class RootMeanSquaredError(Digested):
    """The root of the mean of (said - true)², in the target's own units."""

    better: Literal["up", "down"] = "down"

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Squared errors."""
        return {"square": (predictions["value"] - targets["value"]) ** 2}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        return ratio(digest["square"].sum(), len(digest["square"])) ** 0.5


class RSquared(Digested):
    """1 - (sum of squared errors) / (sum of squares round the mean of these rows); nan where all are one number."""

    better: Literal["up", "down"] = "up"

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Squared errors and true numbers."""
        return {"square": (predictions["value"] - targets["value"]) ** 2, "true": targets["value"]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        true = digest["true"]
        # The mean of equal numbers is off by a rounding: their squares round it are not 0.
        varied = len(true) > 0 and true.min() < true.max()
        return 1 - ratio(digest["square"].sum(), ((true - true.mean()) ** 2).sum() if varied else 0.0)
