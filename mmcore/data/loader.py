"""Batches in an order that only the seed and the epoch decide, made one step ahead of their use."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np

from mmcore.data.dataset import Dataset
from mmcore.interfaces.field import Batch

T = TypeVar("T")

FETCHED = 8
"""How many batches' arrays that lie elsewhere are fetched at once, before they are needed."""


class Loader:
    """The batches of one epoch, from any of them on."""

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        shares: np.ndarray | None = None,
        epoch: int = 0,
        start: int = 0,
        part: tuple[int, int] = (0, 1),
        alike: int = 1,
        pin: bool = False,
        ahead: int = 2,
    ) -> None:
        """rows: [n] of the manifest. start: the first batch to give, so that an epoch can be taken up in its middle.

        shares: [n] chances with which, in place of a shuffle, as many rows are drawn with replacement.
        part: which part of every batch is given, counted from 0, and of how many: all are of one size, if need be
        with rows at the end that have nothing.
        alike: of how many batches the rows are sorted by length among each other when they are shuffled, so that less
        of a batch is padding. pin: batches lie in memory that a GPU copies from by itself.
        ahead: how many batches a thread makes in advance; 0: none, and no thread.
        """
        self._dataset, self._rows, self._batch_size = dataset, rows, batch_size
        self._shares, self._part, self._alike, self._pin = shares, part, alike, pin
        self._seed, self._shuffle, self._epoch, self._start, self._ahead = seed, shuffle, epoch, start, ahead

    def __len__(self) -> int:
        """How many batches are left to give."""
        return max(0, -(-len(self._rows) // self._batch_size) - self._start)

    def order(self) -> np.ndarray:
        """[n] the rows in this epoch's order: as they came, shuffled by seed and epoch, or drawn by their shares.

        With `alike`, those of one length lie together in each stretch of so many batches.
        """
        if not self._shuffle:
            return self._rows
        generator = np.random.default_rng([self._seed, self._epoch])
        if self._shares is not None:
            order = generator.choice(self._rows, size=len(self._rows), p=self._shares)
        else:
            order = generator.permutation(self._rows)
        if self._alike == 1:
            return order
        costs = self._costs(order)
        stretch = self._alike * self._batch_size
        parts = [self._sorted(order[at : at + stretch], costs[at : at + stretch], generator)
                 for at in range(0, len(order), stretch)]  # fmt: skip
        return np.concatenate([order[:0], *parts])

    def padding(self) -> dict[str, float]:
        """The share of each field's batches in this epoch that is padding, for fields of several lengths."""
        order = self.order()
        found = dict[str, float]()
        for name, lengths in self._dataset.lengths(order).items():
            parts = [lengths[at : at + self._batch_size] for at in range(0, len(order), self._batch_size)]
            room = sum(max(1, int(part.max())) * len(part) for part in parts)
            found[name] = 1 - int(lengths.sum()) / room
        return found

    def __iter__(self) -> Iterator[Batch]:
        order, size = self.order(), self._batch_size
        starts = range(self._start * size, len(order), size)
        parts: Iterator[np.ndarray] = (order[at : at + size] for at in starts)
        if self._dataset.remote:
            parts = fetched_ahead(parts, lambda part: self._dataset.fetch(self._own(part)), FETCHED)
        batches = map(self._batch, parts)
        return made_ahead(batches, self._ahead) if self._ahead else batches

    def _costs(self, rows: np.ndarray) -> np.ndarray:
        """[n] how long each row is over all: as a share of the mean, so that a second of sound is no 16,000 words."""
        lengths = self._dataset.lengths(rows).values()
        costs: np.ndarray = np.sum([np.zeros(len(rows)), *(found / found.mean() for found in lengths)], axis=0)
        return costs

    def _sorted(self, rows: np.ndarray, costs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The rows by cost, in whole batches whose order is drawn; a last one that is not full stays the last."""
        ready = rows[np.argsort(costs, kind="stable")]
        full = len(rows) // self._batch_size
        batches = ready[: full * self._batch_size].reshape(full, self._batch_size)
        return np.concatenate([generator.permutation(batches).reshape(-1), ready[full * self._batch_size :]])

    def _own(self, rows: np.ndarray) -> np.ndarray:
        """This part's rows of a batch."""
        number, count = self._part
        size = -(-len(rows) // count)
        return rows[number * size : (number + 1) * size]

    def _batch(self, rows: np.ndarray) -> Batch:
        own = self._own(rows)
        filler = -(-len(rows) // self._part[1]) - len(own)
        batch = self._dataset.batch(np.concatenate([own, np.repeat(rows[:1], filler)]), filler=filler)
        return batch.pinned() if self._pin else batch


def fetched_ahead(parts: Iterator[np.ndarray], fetch: Callable[[np.ndarray], None], depth: int) -> Iterator[np.ndarray]:
    """The same parts, while those of the next `depth` are fetched side by side; errors come in their part's place."""
    with ThreadPoolExecutor(depth, thread_name_prefix="mmcore-fetch") as pool:
        waiting = deque((part, pool.submit(fetch, part)) for part in islice(parts, depth))
        try:
            while waiting:
                part, fetched = waiting.popleft()
                waiting += [(more, pool.submit(fetch, more)) for more in islice(parts, 1)]
                fetched.result()
                yield part
        finally:
            pool.shutdown(cancel_futures=True)


def made_ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """The same items, up to `depth` of them made in a thread before they are asked for; errors come in their place."""
    ready = queue.Queue[tuple[T | None, BaseException | None]](maxsize=depth)
    stopped = threading.Event()

    def make() -> None:
        try:
            for item in items:
                ready.put((item, None))
                if stopped.is_set():
                    return
            ready.put((None, StopIteration()))
        except BaseException as error:  # handed over: it is raised where the item is asked for
            ready.put((None, error))

    thread = threading.Thread(target=make, name="mmcore-loader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        stopped.set()
        while thread.is_alive():  # whoever left early: make room, so that the thread sees that it may end
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()
