"""A metric: a number from a table of predictions and a table of targets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import numpy as np

Table = Mapping[str, np.ndarray]
"""Columns by name, all of one length: first axis = rows."""


class Metric(ABC):
    """A function of two tables; intervals, slices, floors and folds are made from it without knowing what it is.

    The tables are everyone's: no metric writes into them.
    """

    better: Literal["up", "down"]
    share: bool = False
    """Whether it is a share of 1, as accuracy is: from 0 to 1, and told as 98.4 %."""
    needs: tuple[str, ...] = ()
    """Columns of the predictions without which it is left out: the text, where nothing was written."""
    among_others: bool = False
    """A row is judged among the others as they are, which stay when rows are drawn for an interval: a picture is looked
    for among all candidates. Intervals then tell nothing of how these were chosen."""
    across_tokenizers: str | None = None
    """Where it counts tokens: the task's metric that compares two models which cut texts into other tokens; None: it
    counts none."""

    @abstractmethod
    def __call__(self, predictions: Table, targets: Table) -> float:
        """The score over all rows; nan where it is not defined on them (no rows, one class only)."""

    def rows(self, predictions: Table, targets: Table) -> np.ndarray | None:
        """One number a row whose mean is the score; None where it is no mean over rows.

        Intervals draw from these numbers, so that the mean over drawn rows must be the score of those rows: a number
        may not depend on what changes with the rows that are drawn (the variance of all, as in 1 - error² / variance),
        unless it is `among_others`; rows of one group are drawn together.
        nan where a row does not count: of five captions of one picture the picture is looked for once.
        """
        return None

    def digest(self, predictions: Table, targets: Table) -> Table | None:
        """What of each row decides the score, so that what is costly is done once and not for each interval's sample.

        `of` makes the score of any choice of its rows, as if there were no others: no ranks or means over all, unless
        it is `among_others`. None: the metric has no such middle.
        """
        return None

    def of(self, digest: Table) -> float:
        """The score of some rows of what `digest` gave."""
        raise NotImplementedError(f"{type(self).__name__} has a digest but does not say what it comes to")
