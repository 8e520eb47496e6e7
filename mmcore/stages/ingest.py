"""ingest: the source's rows, checked, hashed and dealt to splits."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmcore.config.fields import FieldSettings
from mmcore.config.params import Params
from mmcore.data.collecting import Collected
from mmcore.data.duplicates import Families
from mmcore.data.intake import Intake, Wanted
from mmcore.data.limit import spread
from mmcore.data.manifest import Manifest, check_columns, check_names
from mmcore.data.quarantine import Broken, check_share, write_broken
from mmcore.data.settings import DataSettings
from mmcore.data.split import Dealer, named_split
from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.source import Source
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.progress import track
from mmcore.stages.paths import Paths
from mmcore.stages.unchanged import note_ingest

READS = ("data", "fields")

TWO_SPLITS = (
    "Where content stands in two splits: name a column in data.group that keeps such rows together, let the split "
    "column agree with it, or take the copies out of the source. "
)


@dataclass(frozen=True)
class Taken:
    """The rows that can be used, and those that cannot."""

    manifest: Manifest
    refused: Sequence[Broken]
    torn: bool
    """At least one row was refused because it would stand in two splits."""

    def __len__(self) -> int:
        return len(self.manifest) + len(self.refused)


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write manifest.parquet and refused.jsonl.

    Raises ConfigError for columns that are not there, DataError where there are no rows, none to train on, or more
    broken ones than data.max_broken allows; refused.jsonl is written then too.
    """
    plugins, began_ns = plugins or installed(), time.time_ns()
    settings, fields = params.get("data", DataSettings), params.fields()
    Dealer(settings.split)  # refuses shares that leave nothing, before the source is touched
    wanted = want(settings, fields, plugins)
    source: Source = plugins.source.build(settings.source, where="data.source")
    check_columns(wanted, list(source.columns()))
    cut = wanted.split is not None and not validates(source, wanted.split)
    taken = take(source, wanted, Dealer(settings.split, cut=cut))
    if not len(taken):
        raise DataError(f"the source {settings.source.name!r} has no rows: {settings.source.to_yaml()}.")
    write_broken(paths.refused, taken.refused)
    advice = TWO_SPLITS if taken.torn else ""
    check_share(taken.refused, total=len(taken), max_broken=settings.max_broken, listed=paths.refused, advice=advice)
    manifest = limited(taken, settings, paths)
    check_splits(manifest, settings)
    manifest.write(paths.manifest)
    note_ingest(paths, began_ns)


def want(settings: DataSettings, fields: Mapping[str, FieldSettings], plugins: Plugins) -> Wanted:
    """What is to be read of the source.

    Raises ConfigError or PluginError where a field's name, columns or modality are wrong.
    """
    check_names(list(fields))
    modalities = {
        name: plugins.modality.build(field.modality, where=f"fields.{name}.modality") for name, field in fields.items()
    }
    for name, field in fields.items():
        if not isinstance(field.column, str):
            check_several(name, field, files=modalities[name].files)
    return Wanted(
        {name: field.column for name, field in fields.items()},
        files=frozenset(name for name, modality in modalities.items() if modality.files),
        inputs=frozenset(name for name, field in fields.items() if field.encoder or field.like),
        id=settings.id,
        group=settings.group,
        split=settings.split.column,
        slices=settings.slices,
    )


def check_several(name: str, field: FieldSettings, *, files: bool) -> None:
    """Raise ConfigError where a field cannot be made of several columns."""
    why = None
    if not field.column:
        why = "that names none"
    elif files:
        why = f"the modality {field.modality.name!r} takes the path of one file"
    elif field.like is not None:
        why = f"it is like {field.like!r}, whose columns are called otherwise"
    if why is not None:
        raise ConfigError(f"fields.{name}.column is {list(field.column)}, but {why}. Name one column.")


def validates(source: Source, column: str) -> bool:
    """Whether the split column names a row for validation."""
    return any(named_split(row.get(column)) == "validation" for row in source.rows())


def take(source: Source, wanted: Wanted, dealer: Dealer) -> Taken:
    """Every row in its family, in source order. The rows themselves are not kept."""
    intake, families, collected = Intake(wanted, source.base), Families(dealer), Collected(wanted)
    refused, torn = list[Broken](), False
    for number, row in enumerate(track(source.rows(), what="ingest")):
        one = intake.take(number, row)
        if isinstance(one, Broken):
            refused.append(one)
            continue
        try:
            families.place(one.id, group=one.group, keys=one.keys, declared=one.declared)
        except DataError as error:
            refused.append(Broken(one.id, str(error)))
            torn = True
        else:
            collected.add(one)
    groups, splits = families.settled()
    return Taken(collected.manifest(groups=groups, splits=splits), refused, torn)


def limited(taken: Taken, settings: DataSettings, paths: Paths) -> Manifest:
    """The manifest of the rows that data.limit allows; as many in proportion stay refused."""
    manifest, limit = taken.manifest, settings.limit
    if limit is None or limit >= len(manifest):
        return manifest
    write_broken(paths.refused, taken.refused[: len(taken.refused) * limit // len(taken)])
    return manifest.taken(spread(limit, parts=manifest.splits.tolist(), groups=manifest.groups, ids=manifest.ids))


def check_splits(manifest: Manifest, settings: DataSettings) -> None:
    """Raise DataError where there is nothing to train on, or where a share was asked for and no group fell into it."""
    sizes, split = Counter(manifest.each("split")), settings.split
    asked = {"validation": split.validation, "test": 0.0 if split.column is not None else split.test}
    empty = [name for name, share in asked.items() if share > 0 and not sizes[name]]
    if sizes["train"] and not empty:
        return
    groups = int(manifest.group_numbers().max(initial=-1)) + 1
    if not sizes["train"]:
        says = (
            "no group fell into the training split" if split.column is None else f"column {split.column!r} names none"
        )
        raise DataError(f"there are no training rows: of {len(manifest)} rows in {groups} groups {says}.")
    name = empty[0]
    raise DataError(
        f"there are no {name} rows: none of {groups} groups fell into the {asked[name]:.0%} of data.split.{name}. "
        f"Raise it, add rows, name a split column in data.split.column, or set it to 0."
    )
