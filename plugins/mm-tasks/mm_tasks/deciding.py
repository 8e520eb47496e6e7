"""From probabilities to what is said: the most probable, or what F1 is best by."""

# B = samples of a batch, C = classes or labels

from collections.abc import Callable
from typing import Literal

import numpy as np

Decide = Literal["probable", "f1"]
Deciding = Callable[[np.ndarray], np.ndarray]
"""Probabilities [B,C] -> class numbers [B], or of labels bool [B,C]."""


def most_probable(probabilities: np.ndarray) -> np.ndarray:
    """[B,C] -> [B] the class with the highest probability."""
    found: np.ndarray = probabilities.argmax(1)
    return found


def likely(probabilities: np.ndarray) -> np.ndarray:
    """[B,C] -> [B,C] bool: labels that are more probable than not."""
    return probabilities > 0.5


def f1_threshold(score: np.ndarray, true: np.ndarray) -> float:
    """Half of the best F1 that any threshold reaches; 0.5 where none is true. score, true: [B].

    Where probabilities are right, this is the threshold that reaches it (Lipton et al., Optimal Thresholding of
    Classifiers to Maximize F1 Measure, 2014, 1402.1892, theorem 1). The one that happened to be best is not taken: F1
    is flat around it, and among 180 rows chance picked thresholds of 0.8 to 0.9, which cost a point of F1 on others.
    """
    if not true.any():
        return 0.5
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(true[order])
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # rows of one score are said together
    return float(np.max(hits[ends] / (ends + 1 + hits[-1])))
