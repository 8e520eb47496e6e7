"""Finding among many vectors."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mmcore.predictor.vectors import nearest
from timing.pairs import in_turns, not_measured, row


def find_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The nearest 10 of 100,000 vectors of 256 numbers; the same ids, one thread each."""
    with threadpool_limits(1):
        return _find_rows(quick=quick)


def _find_rows(*, quick: bool) -> list[dict[str, Any]]:
    draw, found = np.random.default_rng(0), list[dict[str, Any]]()
    vectors = draw.normal(size=(10_000 if quick else 100_000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for count in (1, 64):
        asked = vectors[:count] + draw.normal(size=(count, 256)).astype(np.float32) * 0.01

        def by_numpy(asked: np.ndarray = asked) -> np.ndarray:
            return np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :10]

        assert np.array_equal(nearest(vectors, asked, top=10)[0], by_numpy()), "other ids than numpy's"
        turns = 3 if quick else 15
        mine, theirs = in_turns(lambda a=asked: nearest(vectors, a, top=10), by_numpy, turns=turns)
        what = f"find among {len(vectors):,} vectors, {count} at once, beside"
        found.append(row(f"{what} numpy's argsort", mine, theirs, goal=1.0, unit="ms", scale=1000))
        if find_spec("faiss") is None:
            why = "faiss is not installed, pip install -c constraints.txt faiss-cpu (extra: bench)"
            found.append(not_measured(f"{what} faiss Flat", goal=1.0, why=why))
            continue
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatIP(256)
        index.add(vectors)
        mine, theirs = in_turns(
            lambda a=asked: nearest(vectors, a, top=10), lambda a=asked, i=index: i.search(a, 10), turns=turns
        )
        found.append(row(f"{what} faiss Flat", mine, theirs, goal=1.0, unit="ms", scale=1000))
    return found
