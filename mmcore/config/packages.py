"""Whether the packages from outside are still those that `mm compose` found."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint

from mmcore.config.fields import FieldSettings
from mmcore.config.params import Params
from mmcore.errors import ConfigError
from mmcore.registry.origin import PackageSettings, package_record
from mmcore.registry.plugins import GROUPS, Plugins, package_of


def check_packages(params: Params, plugins: Plugins) -> None:
    """Raises ConfigError for a package whose version or code is not what params.yaml says: DVC would not notice."""
    points = _points(plugins)
    for where, recorded in _records(params):
        point = points.get(recorded.name)
        if point is None:
            raise ConfigError(
                f"{where} comes from {recorded.name} {recorded.version}, which is not installed. "
                f"Run `pip install {recorded.name}=={recorded.version}`, or choose another plugin with `mm compose`."
            )
        there = package_record(point)
        if there != recorded:
            raise ConfigError(
                f"{where} comes from {recorded.name} {recorded.version} (code {recorded.digest}) according to "
                f"params.yaml, but {there.version} (code {there.digest}) is installed. Run `mm compose` to take what "
                f"is installed, or install {recorded.version} again."
            )


def _records(params: Params) -> Iterator[tuple[str, PackageSettings]]:
    """Every record among the keys that the stage declared, with the key that it belongs to."""
    if "data" in params.keys:
        yield from _given("data.source", params.get("data.package", PackageSettings | None))
    if "training" in params.keys:
        for record in params.get("training.packages", tuple[PackageSettings, ...]):
            yield "the fusion or a task", record
    for key in params.keys:
        steps = key.split(".")
        if steps[:2] == ["pretrain", "runs"]:
            for record in params.get(f"{key}.packages", tuple[PackageSettings, ...]):
                yield "the fusion or a task", record
        if key == "fields":
            for name, field in params.fields().items():
                yield from _of_field(f"fields.{name}", field)
        elif steps[0] == "fields" and len(steps) == 2:
            yield from _of_field(key, params.get(key, FieldSettings))
        elif steps[0] == "fields" and steps[2:] == ["package"]:
            yield from _given(f"fields.{steps[1]}.modality", params.get(key, PackageSettings | None))


def _of_field(key: str, field: FieldSettings) -> Iterator[tuple[str, PackageSettings]]:
    yield from _given(f"{key}.modality", field.package)
    yield from _given(f"{key}.encoder", field.encoder_package)


def _given(key: str, record: PackageSettings | None) -> Iterable[tuple[str, PackageSettings]]:
    return [] if record is None else [(key, record)]


def _points(plugins: Plugins) -> Mapping[str, EntryPoint]:
    """One entry point of each package, by the package's name."""
    return {package_of(point)[0]: point for kind in GROUPS for point in plugins.kind(kind).points()}
