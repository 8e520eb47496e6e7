"""Which stages may start now: those whose needs are met, side by side up to a number of jobs and of what they share."""

from collections.abc import Mapping, Sequence


class Order:
    """Hands out names so that each comes after all it needs. Knows nothing of what a name stands for."""

    def __init__(
        self,
        needs: Mapping[str, Sequence[str]],
        *,
        jobs: int,
        uses: Mapping[str, Mapping[str, int]] | None = None,
        slots: Mapping[str, int] | None = None,
    ) -> None:
        """needs: for each name those it comes after, themselves among the names. What may start starts in this order.

        jobs: at least 1; how many may run at once. uses: how many slots of what a name takes while it runs. slots: how
        many there are of each, at least as many as any name uses.
        """
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {jobs}.")
        self._uses = uses or {}
        self._free = dict(slots or {})
        self._waiting = {name: set(wanted) for name, wanted in needs.items()}
        self._running: set[str] = set()
        self._jobs = jobs

    @property
    def over(self) -> bool:
        return not self._waiting and not self._running

    def take(self) -> list[str]:
        """Names to start now; each counts as running until `finish`."""
        taken = list[str]()
        for name in [name for name, wanted in self._waiting.items() if not wanted]:
            used = self._uses.get(name, {})
            if len(self._running) == self._jobs or any(self._free[what] < count for what, count in used.items()):
                continue
            self._shift(name, -1)
            del self._waiting[name]
            self._running.add(name)
            taken.append(name)
        return taken

    def finish(self, name: str, *, good: bool) -> list[str]:
        """Count `name` as done. Returns the names that will never start because it was not good."""
        self._running.remove(name)
        self._shift(name, +1)
        for wanted in self._waiting.values():
            if good:
                wanted.discard(name)
        return [] if good else self._drop_dependents(name)

    def clear(self) -> list[str]:
        """Start nothing any more. Returns the names that now never will."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def _shift(self, name: str, sign: int) -> None:
        for what, count in self._uses.get(name, {}).items():
            self._free[what] += sign * count

    def _drop_dependents(self, name: str) -> list[str]:
        lost = [name]
        for candidate in lost:  # grows while it is read: dependents of dependents
            for waiting in [other for other, wanted in self._waiting.items() if candidate in wanted]:
                del self._waiting[waiting]
                lost.append(waiting)
        return lost[1:]


def needed(needs: Mapping[str, Sequence[str]], last: str) -> list[str]:
    """`last` and all that it comes after, in the order of `needs`."""
    found = [last]
    for name in found:  # grows while it is read: what is needed by what is needed
        found += [other for other in needs[name] if other not in found]
    return [name for name in needs if name in found]
