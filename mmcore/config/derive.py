"""What params.yaml says that nobody chooses: shared fits, and where the code lies, for DVC to watch."""

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from mmcore.config.fields import CODE_OF_THE_CORE
from mmcore.config.pretrain import planned_pretrain
from mmcore.config.repeats import RepeatsSettings, planned
from mmcore.config.sections import plain
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.origin import package_record, watched_code
from mmcore.registry.plugins import Plugins, package_of
from mmcore.registry.settings import Part, coerce

FILES = 2
"""How many files that a part's settings name DVC watches: dvc.yaml has a line for each."""

SHARED = ("modality", "encoder", "frozen")
"""What a field that is `like` another takes from it."""

EXAMPLES = {"fusion": "concat", "task": "classification"}
"""What a message says to write where none is chosen."""


Origin = Callable[[EntryPoint, Path], tuple[str, dict[str, Any] | None]]
"""Where a plugin's code lies, and the record of its package where that is from outside."""


def derive(tree: Mapping[str, Any], *, root: Path, plugins: Plugins, origin: Origin | None = None) -> dict[str, Any]:
    """The tree with `like` carried out and `fit`, `code`, `watch`, `package`, files filled in. Changes nothing given.

    origin: where code lies, for who has looked already; None: look now.
    """
    found = origin or origin_of
    for section in ("data", "training", "pretrain", "floors"):
        coerce(tree[section], Mapping[str, Any], section)
    given: Mapping[str, dict[str, Any]] = tree["fields"]
    fields = {name: _shared(name, field, given) for name, field in given.items()}
    for name, field in fields.items():
        first = field["like"] or name
        part = _named(field["modality"], f"fields.{name}.modality")
        field["fit"] = sorted({first} | {other for other, its in fields.items() if its["like"] == first})
        field["code"], field["package"] = found(plugins.modality.point(part), root)
        for kind in ("modality", "encoder"):
            field[f"{kind}_files"] = files_of(field[kind], root, where=f"fields.{name}.{kind}")
        if isinstance(field["encoder"], Mapping):
            encoder = _named(field["encoder"], f"fields.{name}.encoder")
            field["encoder_package"] = found(plugins.encoder.point(encoder), root)[1]
    code, package = found(plugins.source.point(_named(tree["data"].get("source"), "data.source")), root)
    # A source whose data DVC cannot watch (it lies in a package) still needs a path there.
    watch = tree["data"].get("watch") or code
    repeats = coerce(tree["repeats"], RepeatsSettings, "repeats")
    seed = coerce(tree["training"]["seed"], int, "training.seed")
    runs = planned(repeats.seeds, repeats.folds, stratify=repeats.stratify, seed=seed)
    training = {**tree["training"], "packages": _model_packages(tree, root=root, plugins=plugins, origin=found)}
    others = coerce(tree["pretrain"]["training"], Mapping[str, Any], "pretrain.training")
    return {
        **tree,
        "pretrain": {**tree["pretrain"], **planned_pretrain(others, training)},
        "repeats": {**tree["repeats"], **runs},
        "fields": fields,
        "data": {**tree["data"], "code": code, "package": package, "watch": watch},
        "floors": {**tree["floors"], "fusion": tree["floors"].get("fusion") or tree["fusion"]},
        "training": training,
    }


def _model_packages(tree: Mapping[str, Any], *, root: Path, plugins: Plugins, origin: Origin) -> list[dict[str, Any]]:
    """Records of the packages from outside that fusion and tasks come from, sorted by name."""
    parts = [("fusion", "fusion", tree["fusion"])]
    if tree["floors"].get("fusion") is not None:
        parts.append(("fusion", "floors.fusion", tree["floors"]["fusion"]))
    parts += [("task", f"tasks.{name}", part) for name, part in tree["tasks"].items()]
    points = [
        point for kind, where, part in parts for point in plugins.points(kind, _chosen(part, kind, where, plugins))
    ]
    records = {record["name"]: record for point in points if (record := origin(point, root)[1]) is not None}
    return [records[name] for name in sorted(records)]


def _shared(name: str, field: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The field, with what it takes from the one it is like."""
    like = field.get("like")
    if like is None:
        if field.get("modality") is None:
            raise ConfigError(f"fields.{name} has no modality. Give one: fields.{name}.modality=...")
        return dict(field)
    if like not in fields or like == name:
        others = [other for other in fields if other != name]
        raise ConfigError(
            f"fields.{name}.like names {like!r}, which is no other field.{near_miss(like, others)} "
            f"There is: {listing(others)}."
        )
    if fields[like].get("like") is not None:
        raise ConfigError(
            f"fields.{name}.like names {like!r}, which is itself like {fields[like]['like']!r}. Name that one."
        )
    for key in ("modality", "encoder"):
        if field.get(key) is not None and field[key] != fields[like].get(key):
            raise ConfigError(
                f"fields.{name} is like {like!r} and has {key} {field[key]!r} of its own. Leave out one of the two."
            )
    return {**field, **{key: fields[like].get(key) for key in SHARED}}


def files_of(part: Any, root: Path, *, where: str) -> list[str]:
    """Files and folders that a part's settings name, filled up to as many as DVC watches.

    Raises ConfigError where there are more.
    """
    found = sorted({text for text in _texts(part) if _is_there(text, root)})
    if len(found) > FILES:
        raise ConfigError(
            f"{where} names {len(found)} files ({listing(found)}), but `dvc repro` can watch {FILES}. Put them into "
            "one folder, if the plugin takes that, or name fewer."
        )
    return found + [CODE_OF_THE_CORE] * (FILES - len(found))


def _texts(value: Any) -> Iterator[str]:
    """Every text within settings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))


def _is_there(text: str, root: Path) -> bool:
    """Whether a text is a path of what does not hold the project, and no word that a folder has for its name."""
    try:
        path = (root / text).resolve()
        return ("/" in text or bool(Path(text).suffix)) and path.exists() and not root.resolve().is_relative_to(path)
    except (OSError, ValueError):  # a text too long for a name, a null byte
        return False


def origin_of(point: EntryPoint, root: Path) -> tuple[str, dict[str, Any] | None]:
    """The code as a path in the repository, or what stands for it and a record of the package that it comes from."""
    code = watched_code(point)
    if code is None:
        package, version = package_of(point)
        raise ConfigError(
            f"{point.value} of {package} {version} is registered but its file is not there. Reinstall it."
        )
    inside = root.resolve()
    if code.resolve().is_relative_to(inside) and not _in_environment(code):
        return code.resolve().relative_to(inside).as_posix(), None
    return CODE_OF_THE_CORE, plain(package_record(point))


def _in_environment(path: Path) -> bool:
    """Inside site-packages: `.venv` lies in the repository, but DVC must not watch it."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def _chosen(part: Any, kind: str, where: str, plugins: Plugins) -> Part:
    if not isinstance(part, Mapping) or not isinstance(part.get("name"), str):
        key, example = where.rpartition(".")[2], EXAMPLES[kind]
        raise ConfigError(
            f"{where} must name a plugin but is {part!r}. Write `{key}: {{name: {example}}}` in the experiment, or say "
            f"{where}={example}. There is: {listing(plugins.kind(kind).names())}."
        )
    return Part.from_yaml(part, where)


def _named(part: Any, where: str) -> str:
    if not isinstance(part, Mapping) or not isinstance(part.get("name"), str):
        raise ConfigError(f"{where} must name a plugin but is {part!r}.")
    return str(part["name"])
