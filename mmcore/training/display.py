"""What a person sees of a training: a bar in a terminal, a line an epoch elsewhere."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """A context that is told of steps and epochs."""

    def __init__(self, steps: int, epochs: int, *, done: int = 0, title: str = "train", silent: bool = False) -> None:
        """steps: of the whole training; done: those of an earlier process. silent: shows nothing."""
        self._console = Console(stderr=True, quiet=silent)
        self._epochs, self._title = epochs, title
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(title, total=steps, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, what: str) -> None:
        """Something that a person should know of."""
        self._console.print(f"{self._title}: {what}", highlight=False, soft_wrap=True)

    def step(self, epoch: int) -> None:
        """One optimizer step is done."""
        self._bar.update(self._task, advance=1, description=f"{self._title} epoch {epoch + 1}/{self._epochs}")

    def epoch(self, row: Mapping[str, float], *, monitor: str, best: bool) -> None:
        """One epoch is done, and validated where its row has the score `monitor`."""
        scores = "  ".join(f"{name} {row[name]:.4f}" for name in ("loss", monitor) if name in row)
        mark = "  (best so far)" if best and monitor in row else ""
        line = f"{self._title} epoch {int(row['epoch'])}/{self._epochs}  {scores}{mark}"
        self._console.print(line, highlight=False, soft_wrap=True)
