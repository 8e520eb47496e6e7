"""`mm new`: the folder of a new plugin, written from templates, that keeps its contract before a line is changed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from string import Template

import yaml

from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import GROUPS, Plugins, package_of

TEMPLATES = files("mmcore.scaffold") / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
LONGEST = 40


@dataclass(frozen=True)
class Piece:
    """One plugin in the new folder."""

    kind: str
    name: str
    module: str
    """The file of its class, and of the template that it is written from."""
    class_name: str


@dataclass(frozen=True)
class NewPlugin:
    """What `mm new` was asked for, with every name that follows from it."""

    kind: str
    name: str
    into: Path = Path("plugins")

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return self.into / self.distribution

    @property
    def watched(self) -> bool:
        """Whether it lies in the clone, where DVC sees what is edited."""
        return self.folder.resolve().is_relative_to(Path.cwd().resolve())

    @property
    def distribution(self) -> str:
        """The folder and the package as pip knows it."""
        return f"mm-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """The package as Python knows it."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """`radar_dish` -> `RadarDish`."""
        return "".join(part.capitalize() for part in re.split("[_-]", self.name))

    @property
    def pieces(self) -> list[Piece]:
        """A modality comes with an encoder: without one nothing could be trained on it."""
        own = Piece(self.kind, self.name, self.kind, f"{self.class_name}{self.kind.capitalize()}")
        if self.kind != "modality":
            return [own]
        return [own, Piece("encoder", self.encoder, "mlp", f"{self.class_name}MLP")]

    @property
    def encoder(self) -> str:
        """What the encoder beside a modality is called."""
        return f"{self.name}{'-' if '-' in self.name else '_'}mlp"

    @property
    def words(self) -> Mapping[str, str]:
        """What stands in the templates."""
        return {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "folder": quote(self.folder.as_posix()),
            "package": self.package,
            "class_name": self.class_name,
            "encoder": self.encoder,
            "entry_points": "\n\n".join(self._entry_point(piece) for piece in self.pieces),
        }

    def _entry_point(self, piece: Piece) -> str:
        target = f'{piece.name} = "{self.package}.{piece.module}:{piece.class_name}"'
        return f'[project.entry-points."{GROUPS[piece.kind]}"]\n{target}'


def write_plugin(kind: str, name: str, *, into: Path, plugins: Plugins) -> Path:
    """Write the folder of a new plugin and return it.

    Raises ConfigError for a kind that is none, a name that cannot be one, a name or folder that is taken, and an `into`
    that is a file or cannot be written to.
    """
    if kind not in GROUPS:
        raise ConfigError(f"There is no kind {kind!r} of plugin.{near_miss(kind, GROUPS)} There is: {listing(GROUPS)}.")
    new = NewPlugin(kind, name, into)
    _check_name(new, plugins)
    if new.folder.exists():
        raise ConfigError(f"{new.folder} is there already. Choose another name, or remove it first.")
    files = list(_files(new))  # all of them, before the first is written
    try:
        for path, text in files:
            target = new.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:  # a file in the way, a folder of somebody else's
        raise ConfigError(f"{into} is no folder to write to: {error.strerror}. Name another: --into FOLDER.") from error
    return new.folder


def _check_name(new: NewPlugin, plugins: Plugins) -> None:
    if not NAME.fullmatch(new.name) or len(new.name) > LONGEST:
        raise ConfigError(
            f"{new.name!r} cannot be a name. Take lower-case letters and digits, with single _ or - between, "
            f"at most {LONGEST}: radar, radar_cnn."
        )
    read = yaml.safe_load(new.name)
    if read != new.name:
        raise ConfigError(f"{new.name!r} cannot be a name: YAML reads it as {read!r}. Choose a longer one.")
    for piece in new.pieces:
        registry = plugins.kind(piece.kind)
        taken = [point for point in registry.points() if point.name == piece.name]
        if taken:
            package, version = package_of(taken[0])
            raise ConfigError(
                f"The {piece.kind} {piece.name!r} is there already, in {package} {version}. Choose another name."
            )
    if find_spec(new.package) is not None:
        raise ConfigError(f"The package {new.package!r} is installed already. Choose another name.")


def _files(new: NewPlugin) -> Iterator[tuple[str, str]]:
    """Every file with its path in the folder."""
    yield "pyproject.toml", _filled("shared/pyproject.toml", new)
    yield "README.md", "\n".join(_filled(part, new) for part in _readme(new))
    yield f"{new.package}/__init__.py", ""
    for piece in new.pieces:
        yield f"{new.package}/{piece.module}.py", _filled(f"{new.kind}/{piece.module}.py", new)
        yield f"{new.package}/conf/{piece.kind}/{piece.name}.yaml", _filled(f"{new.kind}/{piece.module}.yaml", new)
    # Named after the package: where pytest looks at two plugins together, it takes files of one name for one module.
    yield f"tests/test_{new.package}.py", _filled(f"{new.kind}/test_contract.py", new)


def _readme(new: NewPlugin) -> list[str]:
    """The templates that the README is made of."""
    if not new.watched:
        return [f"{new.kind}/README.md", "shared/outside.md"]
    return [f"{new.kind}/README.md", *(["modality/inside.md"] if new.kind == "modality" else [])]


def _filled(template: str, new: NewPlugin) -> str:
    text = (TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(new.words)
