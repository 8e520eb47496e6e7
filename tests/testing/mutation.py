"""A mutant: a toy with one line broken, and the test of the contract that is meant to kill it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmcore.testing.plugin import PluginContract
from tests.testing.contracts import Held


@dataclass(frozen=True)
class Mutant:
    """A broken class with its contract."""

    broken: type[Any]
    sibling: type[Held]
    """The contract of the unbroken class."""
    killed_by: str
    saying: str
    """A part of the message, which must tell what is wrong."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of a parametrized test."""

    @property
    def contract(self) -> type[PluginContract]:
        """The sibling's contract, held against the broken class."""
        return type(f"{self.broken.__name__}Contract", (self.sibling,), {"held": self.broken})


MUTANTS = dict[str, Mutant]()


def mutant(sibling: type[Held], killed_by: str, *, saying: str, **given: Any) -> Callable[[type[Any]], type[Any]]:
    """Enter a broken class into MUTANTS."""

    def enter(broken: type[Any]) -> type[Any]:
        MUTANTS[broken.__name__] = Mutant(broken, sibling, killed_by, saying, given)
        return broken

    return enter
