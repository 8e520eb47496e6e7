"""Packages from outside whose code is no longer what a model was made with, though their version is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from mmcore.registry.origin import package_record
from mmcore.registry.plugins import package_of


@dataclass(frozen=True)
class Edited:
    """One package that answers otherwise than it did, perhaps."""

    name: str
    version: str
    then: str
    """The digest of its code when the model was made."""
    now: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} (code {self.now} now, {self.then} then)"


def edited(code: Mapping[str, str], *, versions: Mapping[str, str], points: Iterable[EntryPoint]) -> tuple[Edited, ...]:
    """Those whose code differs, by name.

    code, versions: name -> what the model was made with. points: of its plugins; each package's files are read once.
    Another version within a series is its maker's promise that weights mean the same, so only equal ones are looked at.
    """
    installed = {package_of(point): point for point in points}
    found = list[Edited]()
    for name, then in sorted(code.items()):
        point = installed.get((name, versions[name]))
        now = then if point is None else package_record(point).digest
        if now != then:
            found.append(Edited(name, versions[name], then, now))
    return tuple(found)
