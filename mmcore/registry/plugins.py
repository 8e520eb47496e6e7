"""Names of installed plugins -> classes, on demand: names come from metadata, nothing is imported to list them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import count
from typing import Any

from mmcore.errors import ConfigError, PluginError, listing, near_miss
from mmcore.registry.reading import looks_whole
from mmcore.registry.settings import Part, check_settings, settings_of

GROUPS = {
    "source": "mmcore.sources",
    "modality": "mmcore.modalities",
    "encoder": "mmcore.encoders",
    "connector": "mmcore.connectors",
    "fusion": "mmcore.fusions",
    "task": "mmcore.tasks",
}
"""Kinds of plugins and the entry-point groups that they are registered under."""

Find = Callable[[str], Iterable[EntryPoint]]

Seeded = Callable[[str], AbstractContextManager[None]]
"""Random numbers of its own for the part at a key of params.yaml, for as long as the context lasts."""


def not_seeded(where: str) -> AbstractContextManager[None]:
    """Random numbers go on as they do outside."""
    return nullcontext()


def find_installed(group: str) -> Iterable[EntryPoint]:
    """Entry points of the packages that are installed here."""
    return entry_points(group=group)


@dataclass(frozen=True)
class PluginRow:
    """One line of `mm plugins`."""

    kind: str
    name: str
    package: str
    version: str
    target: str
    error: str | None = None


class Registry:
    """The plugins of one kind."""

    def __init__(self, kind: str, find: Find = find_installed, *, family: dict[str, "Registry"] | None = None) -> None:
        """kind: a key of GROUPS. find: gives the entry points of a group; tests hand in their own.

        family: the registries of other kinds, for parts within parts; those that are not there are made on demand.
        """
        self.kind = kind
        self.group = GROUPS[kind]
        self._find = find
        self._family: dict[str, Registry] = {} if family is None else family
        self._family[kind] = self
        self._points: dict[str, list[EntryPoint]] = defaultdict(list)
        for point in find(self.group):
            if not any(_same(point, known) for known in self._points[point.name]):
                self._points[point.name].append(point)

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(self._points)

    def points(self) -> list[EntryPoint]:
        """Where every plugin lies, by name; a name that two packages claim comes twice."""
        return [point for name in self.names() for point in self._points[name]]

    def point(self, name: str) -> EntryPoint:
        """Where the plugin lies, without importing it. Raises PluginError where no or more than one package has it."""
        points = self._points.get(name, [])
        if not points:
            hint = near_miss(name, self._points)
            raise PluginError(f"No plugin {name!r} in {self.group}.{hint} Installed: {listing(self._points)}.")
        if len(points) > 1:
            packages = " and ".join(sorted(package_of(point)[0] for point in points))
            raise PluginError(
                f"{self.group} {name!r} is registered by {packages}. Uninstall one of them, or rename one entry point."
            )
        return points[0]

    def load(self, name: str) -> type[Any]:
        """The class, imported now. Raises PluginError where its module or a library that it needs is missing."""
        point = self.point(name)
        try:
            found = point.load()
        except Exception as error:  # a stranger's module may raise anything while it is imported
            package, version = package_of(point)
            raise PluginError(
                f"{self.group} {name!r} ({point.value} of {package} {version}) does not import: "
                f"{type(error).__name__}: {error}. Install what it lacks, or uninstall {package}."
            ) from error
        if not isinstance(found, type):
            raise PluginError(f"{self.group} {name!r} ({point.value}) is a {type(found).__name__}, not a class.")
        return found

    def check(self, part: Part, *, where: str, together: bool = True) -> tuple[type[Any], dict[str, Any]]:
        """The class that a part names and its settings with the right types; `where` is the part's key in params.yaml.

        Parts that its settings choose are checked with it. Raises PluginError for an unknown name, ConfigError for
        settings that a constructor does not take, and for those that its `settings_fault` finds fault with.
        together: False: each setting is looked at by itself, and `settings_fault` is not asked.
        """
        found = self.load(part.name)
        settings = check_settings(found, part.settings, where=where, what=f"{self.group} {part.name!r}")
        if together and (fault := _fault_together(found, settings)):
            raise ConfigError(f"{where}: {fault}")
        for key, kind in _choices(found):
            if isinstance(inner := settings.get(key), Part):
                self._beside(kind).check(inner, where=f"{where}.{key}", together=together)
        return found, settings

    def build(self, part: Part, *args: Any, where: str, seeded: Seeded = not_seeded) -> Any:
        """An instance of the part; `args` are what comes from the data at run time. Raises as `check` does.

        seeded: gives random numbers of their own to the parts that its settings choose.
        """
        found, settings = self.check(part, where=where)
        for key, kind in _choices(found):
            if isinstance(inner := settings.get(key), Part):
                settings[key] = Maker(self._beside(kind), inner, where=f"{where}.{key}", seeded=seeded)
        return found(*args, **settings)

    def rows(self, *, load: bool = True) -> list[PluginRow]:
        """Every plugin with what is wrong with it. load: each is imported to find out; else only those whose text says
        that it will not work.
        """
        return [self._row(name, point, load) for name in self.names() for point in self._points[name]]

    def _beside(self, kind: str) -> "Registry":
        if kind not in self._family:
            Registry(kind, self._find, family=self._family)
        return self._family[kind]

    def _row(self, name: str, point: EntryPoint, load: bool) -> PluginRow:
        error = None
        try:
            self.point(name)  # a clash
            if load or not looks_whole(point):
                self.load(name)
        except PluginError as problem:
            error = str(problem)
        return PluginRow(self.kind, name, *package_of(point), point.value, error)


@dataclass(frozen=True)
class Maker:
    """What a constructor gets for a setting that chooses a plugin: builds it, another one at each call."""

    registry: Registry
    part: Part
    where: str
    seeded: Seeded
    _made: Iterator[int] = field(default_factory=count)

    def __call__(self, *args: Any) -> Any:
        """args: what comes from the data at run time."""
        with self.seeded(f"{self.where}/{next(self._made)}"):
            return self.registry.build(self.part, *args, where=self.where, seeded=self.seeded)


@dataclass(frozen=True)
class Plugins:
    """One registry for each kind; handed to whoever builds parts."""

    source: Registry
    modality: Registry
    encoder: Registry
    connector: Registry
    fusion: Registry
    task: Registry

    @classmethod
    def of(cls, find: Find = find_installed) -> "Plugins":
        """Registries over the entry points that `find` gives."""
        family = dict[str, Registry]()
        return cls(**{kind: Registry(kind, find, family=family) for kind in GROUPS})

    def kind(self, kind: str) -> Registry:
        """The registry of one kind."""
        found: Registry = getattr(self, kind)
        return found

    def kind_within(self, kind: str, key: str, value: Any) -> str | None:
        """The kind of plugin that a setting of a part of `kind` chooses, told by its key or else its name, without
        importing anything; None where the value is a plain one."""
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            return None
        if key in GROUPS:
            return key
        return kind if value["name"] in self.kind(kind).names() else None

    def points(self, kind: str, part: Part) -> list[EntryPoint]:
        """Where the part's plugin lies, and those that its settings choose. Raises PluginError as `point` does."""
        points = [self.kind(kind).point(part.name)]
        for key, value in part.settings.items():
            inner = self.kind_within(kind, key, value)
            if inner is not None:
                points += self.points(inner, Part.from_yaml(value, key))
        return points


@cache
def installed() -> Plugins:
    """What is installed in this environment; read once a process."""
    everything = entry_points()  # one walk over all packages, and not one for each kind
    return Plugins.of(lambda group: everything.select(group=group))


def package_of(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that registers an entry point."""
    return ("unknown", "unknown") if point.dist is None else (point.dist.name, point.dist.version)


def _choices(found: type[Any]) -> list[tuple[str, str]]:
    """Settings that choose a plugin, with its kind."""
    return [(key, setting.plugin_kind) for key, setting in settings_of(found).items() if setting.plugin_kind]


def _fault_together(found: type[Any], settings: Mapping[str, Any]) -> str | None:
    """What the class says of its settings, those that were not given included; None where it has nothing to say."""
    ask: Callable[[Mapping[str, Any]], str | None] | None = getattr(found, "settings_fault", None)
    if ask is None:
        return None
    return ask({name: settings.get(name, setting.default) for name, setting in settings_of(found).items()})


def _same(one: EntryPoint, other: EntryPoint) -> bool:
    """One package found twice on the path (an editable install beside its source) is no clash."""
    return one.value == other.value and package_of(one)[0] == package_of(other)[0]
