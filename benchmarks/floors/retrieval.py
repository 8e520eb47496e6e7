"""Floors for pictures and names: kernel ridge from small pictures to TF-IDF of the name, and chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from realdata.tables import read_csv
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_ridge import KernelRidge

SMALL_PX = 16
RANKS = (1, 10)


def measure(table: Path) -> dict[str, float]:
    """`ridge R@10` and the like for names looked for with pictures, and `chance R@10`."""
    rows = [row for row in read_csv(table) if row["kind"] == "name"]
    pixels = np.stack([small(table.parent / row["image"]) for row in rows])
    train = np.array([row["split"] == "train" for row in rows])
    names = [row["name"] for row in rows]
    words = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
    known = words.fit_transform([name for name, its in zip(names, train, strict=True) if its])
    targets = words.transform([name for name, its in zip(names, train, strict=True) if not its]).toarray()
    scale = np.median(((pixels[train][:200, None] - pixels[train][None, :200]) ** 2).sum(-1))
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / scale).fit(pixels[train], known.toarray())
    found = recalls(ridge.predict(pixels[~train]) @ targets.T)
    return {f"ridge R@{k}": found[k] for k in RANKS} | {f"chance R@{k}": k / len(targets) for k in RANKS}


def small(path: Path) -> np.ndarray:
    """A picture on white as [3 * 16 * 16] numbers from 0 to 1."""
    picture = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB").resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX)).ravel() / 255


def recalls(scores: np.ndarray, ranks: Sequence[int] = RANKS) -> dict[int, float]:
    """scores [queries, candidates], the right one on the diagonal -> the share found among the first k."""
    better = (scores > np.diag(scores)[:, None]).sum(1)
    return {k: float((better < k).mean()) for k in ranks}
