"""Linear floors: logistic and ridge regression on words and on spectra."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from realdata.tables import read_csv
from scipy.sparse import csr_matrix, hstack, spmatrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, mean_absolute_error, r2_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDS = 5
NUMBERS, CATEGORIES = ("age", "feedback"), ("division", "department", "class")
FRAMES, BANDS = 16, 32

Row = dict[str, str]


def reviews(table: Path) -> dict[str, float]:
    """Means over the folds: PR-AUC of text alone and with the table, R2 and MAE of the stars from the text."""
    rows = read_csv(table)
    found = dict[str, list[float]]()
    for fold in range(FOLDS):
        test = np.array([row[f"fold_{fold}"] == "test" for row in rows])
        text = _words([row["review"] for row in rows], known=~test)
        both = hstack([text, _columns(rows, known=~test)]).tocsr()
        truth = np.array([row["recommended"] == "yes" for row in rows])
        for name, inputs in (("linear, text", text), ("linear, text and table", both)):
            model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced").fit(inputs[~test], truth[~test])
            score = average_precision_score(truth[test], model.decision_function(inputs[test]))
            found.setdefault(f"{name} PR-AUC", []).append(score)
        stars = np.array([float(row["rating"]) for row in rows])
        guess = Ridge(alpha=1.0).fit(text[~test], stars[~test]).predict(text[test]).clip(1, 5)
        found.setdefault("linear, text R2", []).append(r2_score(stars[test], guess))
        found.setdefault("linear, text MAE", []).append(mean_absolute_error(stars[test], guess))
    return {name: float(np.mean(scores)) for name, scores in found.items()}


def _words(texts: Sequence[str], *, known: np.ndarray) -> spmatrix:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    words.fit([text for text, its in zip(texts, known, strict=True) if its])
    return words.transform(texts).tocsr()


def _columns(rows: Sequence[Row], *, known: np.ndarray) -> spmatrix:
    numbers = np.array([[float(row[name] or 0) for name in NUMBERS] for row in rows])
    labels = np.array([[row[name] for name in CATEGORIES] for row in rows])
    scaled = StandardScaler().fit(numbers[known]).transform(numbers)
    return hstack([csr_matrix(scaled), OneHotEncoder(handle_unknown="ignore").fit(labels[known]).transform(labels)])


def spoken(table: Path, split: str = "split") -> dict[str, float]:
    """Accuracy of logistic regression on a small log-spectrogram of each whole recording."""
    rows = read_csv(table)
    inputs = np.stack([spectrum(table.parent / row["sound"]) for row in rows])
    truth = np.array([row["digit"] for row in rows])
    test = np.array([row[split] == "test" for row in rows])
    scale = StandardScaler().fit(inputs[~test])
    model = LogisticRegression(C=0.1, max_iter=300).fit(scale.transform(inputs[~test]), truth[~test])
    return {"linear": float((model.predict(scale.transform(inputs[test])) == truth[test]).mean())}


def spectrum(path: Path) -> np.ndarray:
    """[16 * 32] log powers: a recording stretched to 16 frames, 32 bands each."""
    wave, _ = soundfile.read(path)
    wave = np.pad(wave, (0, max(0, 512 - len(wave))))
    starts = np.linspace(0, len(wave) - 256, FRAMES).astype(int)
    frames = np.stack([wave[start : start + 256] * np.hanning(256) for start in starts])
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2)[:, 1 : 4 * BANDS + 1].reshape(FRAMES, BANDS, 4).mean(-1)
    return np.log(power + 1e-6).ravel()
