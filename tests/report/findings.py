"""Findings that tests change in one place."""

import numpy as np

from mmcore.report.confusion import Confusion
from mmcore.report.examples import Example, Gallery
from mmcore.report.page import Findings, LeftOut, TaskFindings
from mmcore.report.scores import Score, Value

PICTURE = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


def score(**changed):
    known = {
        "task": "answer",
        "metric": "accuracy",
        "better": "up",
        "share": True,
        "value": Value(0.984, 0.981, 0.987),
        "floors": {"majority": Value(0.373), "question": Value(0.67)},
        "without": {"image": Value(0.664), "question": Value(0.381)},
    }
    return Score(**{**known, **changed})


def example(**changed):
    known = {
        "id": "row-1",
        "inputs": {"image": ("image", PICTURE), "question": ("text", "is it red?")},
        "predicted": "yes",
        "actual": "no",
        "confidence": 0.93,
        "right": False,
    }
    return Example(**{**known, **changed})


def task(**changed):
    known = {
        "name": "answer",
        "scores": [score()],
        "confusion": Confusion.of([("yes", "yes"), ("no", "no"), ("no", "yes")]),
        "galleries": [Gallery("Wrong answers (1 of 3)", "The surest ones first.", [example()])],
    }
    return TaskFindings(**{**known, **changed})


def findings(**changed):
    known = {
        "tasks": [task()],
        "split": "test",
        "n": 9673,
        "curves": [{"epoch": n, "lr": 0.001, "loss": 1 / n, "answer/accuracy": 1 - 0.5 / n} for n in range(1, 5)],
        "rows": {"train": 34700, "validation": 3875, "test": 9673},
        "left_out": [LeftOut("image", "images/a.png", "images/a.png: is damaged")],
        "params": "training:\n  lr: 0.001\n",
        "versions": {"mmcore": "0.1.0"},
        "timings": {"train_s": 171.2, "device": "cpu", "parameters": 312345},
    }
    return Findings(**{**known, **changed})
