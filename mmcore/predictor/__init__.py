"""Predict with a model folder: nothing but the folder and the installed packages is needed."""

from mmcore.predictor.conversation import Conversation
from mmcore.predictor.find import Finder, Found
from mmcore.predictor.predictor import Answer, Answers, Predictor
from mmcore.predictor.table import Told, answer_table, as_csv, as_lines, format_of, write_table

__all__ = [
    "Answer",
    "Answers",
    "Conversation",
    "Finder",
    "Found",
    "Predictor",
    "Told",
    "answer_table",
    "as_csv",
    "as_lines",
    "format_of",
    "write_table",
]
