"""How well vectors of two fields find each other: recall among the first k, and the median rank."""

# Q = rows, K = different things that may be found

from typing import Literal

import numpy as np

from mm_tasks.metrics.kinds import Digested, RowMean
from mmcore.interfaces.metric import Table

CHUNK = 1024
"""Rows compared at a time: the matrix of all pairs may not fit into memory."""


class Retrieval:
    """Asks with `query` and looks for what belongs to it among all different things of the field `found`.

    Predictions: vectors [Q,D] by field. Targets: a number [Q] by field, equal where the content is the same; a query
    and a thing belong together where some row has both. Queries of equal content ask once. Things that are equally near
    come in random order, and what is told is the mean over such orders: vectors that are all one are as good as chance.
    Vectors that are no numbers find what belongs to them last.
    """

    among_others = True

    def __init__(self, query: str, found: str) -> None:
        """query, found: fields."""
        self.query, self.found = query, found

    def ranks(self, predictions: Table, targets: Table) -> Table:
        """`before`, `tied`, `own` [Q]: nearer things, those as near as the nearest right one, and right ones of these.

        nan where an earlier row asks the same.
        """
        asks, things = targets[self.query], targets[self.found]
        _, first, thing = np.unique(things, return_index=True, return_inverse=True)
        vectors = predictions[self.found][first]
        _, asked_at, ask = np.unique(asks, return_index=True, return_inverse=True)
        belongs = [np.unique(thing[rows]) for rows in _rows_of(ask, len(asked_at))]
        before, tied, own = (np.full(len(asks), np.nan) for _ in range(3))
        for start in range(0, len(asked_at), CHUNK):
            rows = asked_at[start : start + CHUNK]
            near = predictions[self.query][rows] @ vectors.T  # [CHUNK,K]
            for row, each in zip(rows, near, strict=True):
                right = belongs[ask[row]]
                best = np.fmax.reduce(each[right])
                if np.isnan(best):  # what is as near as no number can tell is found last
                    before[row], tied[row], own[row] = len(each) - len(right), len(right), len(right)
                    continue
                before[row], tied[row] = (each > best).sum(), (each == best).sum()
                own[row] = (each[right] == best).sum()
        return {"before": before, "tied": tied, "own": own}


class Recall(Retrieval, RowMean):
    """The share of queries that find something right among the first k."""

    better: Literal["up", "down"] = "up"
    share = True

    def __init__(self, query: str, found: str, *, first: int) -> None:
        """first: k."""
        super().__init__(query, found)
        self.first = first

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """The chance of each query to find something right; nan where an earlier row asks the same."""
        ranks = self.ranks(predictions, targets)
        tied, own = ranks["tied"], ranks["own"]
        room = np.clip(self.first - ranks["before"], 0, tied)
        missed = np.ones(len(tied))
        for step in range(int(np.nanmax(own, initial=0))):  # each right one in turn falls outside the room
            left = np.maximum(tied - step, 1)
            missed = np.where(step < own, missed * np.clip(tied - room - step, 0, None) / left, missed)
        return np.where(np.isnan(tied), np.nan, 1 - missed)


class MedianRank(Retrieval, Digested):
    """The median over queries of the rank, from 1, of the nearest right thing."""

    better: Literal["up", "down"] = "down"

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Each query's rank; nan where an earlier row asks the same."""
        ranks = self.ranks(predictions, targets)
        return {"rank": ranks["before"] + (ranks["tied"] + 1) / (ranks["own"] + 1)}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        known = digest["rank"][~np.isnan(digest["rank"])]
        return float(np.median(known)) if len(known) else float("nan")


def _rows_of(number: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows that have each number below `count`."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.cumsum(np.bincount(number, minlength=count))[:-1])
