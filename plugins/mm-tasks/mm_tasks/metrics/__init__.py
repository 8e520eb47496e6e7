"""How good predictions are; each a class, tables in, a number out."""

from mm_tasks.metrics.classes import (
    Accuracy,
    BalancedAccuracy,
    CalibrationError,
    CrossEntropy,
    MacroF1,
    PositiveAreaUnderPrecisionRecall,
    PositiveF1,
)
from mm_tasks.metrics.labels import (
    AllLabelsRight,
    LabelCrossEntropy,
    MacroLabelF1,
    MeanAveragePrecision,
    MicroLabelF1,
)
from mm_tasks.metrics.numbers import MeanAbsoluteError, RootMeanSquaredError, RSquared
from mm_tasks.metrics.ranks import MedianRank, Recall
from mm_tasks.metrics.texts import (
    BitsPerCharacter,
    Bleu,
    CiderD,
    ExactMatch,
    Perplexity,
    SymbolError,
)

__all__ = [
    "Accuracy",
    "AllLabelsRight",
    "BalancedAccuracy",
    "BitsPerCharacter",
    "Bleu",
    "CalibrationError",
    "CiderD",
    "CrossEntropy",
    "ExactMatch",
    "LabelCrossEntropy",
    "MacroF1",
    "MacroLabelF1",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "MedianRank",
    "MicroLabelF1",
    "Perplexity",
    "PositiveAreaUnderPrecisionRecall",
    "PositiveF1",
    "RSquared",
    "Recall",
    "RootMeanSquaredError",
    "SymbolError",
]
