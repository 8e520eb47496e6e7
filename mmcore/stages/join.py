"""join: what the training reads, by content, and every row that is left out."""

from typing import Any

import numpy as np

from mmcore.config.params import Params
from mmcore.data.files import digest_of_folder
from mmcore.data.manifest import Manifest
from mmcore.data.quarantine import Broken, broken_rows, check_share, read_broken, write_broken
from mmcore.data.remote import open_store
from mmcore.data.split import SPLITS
from mmcore.data.writing import write_json
from mmcore.errors import ArtifactError, DataError
from mmcore.stages.paths import Paths

READS = ("fields", "data.max_broken")


def run(params: Params, paths: Paths) -> None:
    """Write inputs.json and quarantine.jsonl.

    Only the fields that params.yaml names count: a folder of another one may lie there still. Raises DataError where
    more than data.max_broken of the rows are broken or none is left to train on; quarantine.jsonl is written then too.
    """
    manifest = Manifest.read(paths.manifest)
    fields = {name: field_digests(paths, name, rows=len(manifest)) for name in params.fields()}
    broken = gather(paths, list(fields))
    write_broken(paths.quarantine, broken)
    refused = sum(item.row is None for item in broken)
    limit: float = params.get("data.max_broken", float)
    check_share(broken, total=len(manifest) + refused, max_broken=limit, listed=paths.quarantine)
    rows = usable_rows(manifest, broken)
    if not rows["train"]:
        raise DataError(f"there are no training rows left: all are broken. Reasons: {paths.quarantine}.")
    quarantined = refused + len(broken_rows(broken))
    write_json(paths.inputs, {"fields": fields, "rows": rows, "quarantined": quarantined})


def field_digests(paths: Paths, field: str, *, rows: int) -> dict[str, Any]:
    """The content of a field's fit, store and, where there are any, features."""
    folders = {"fit": paths.fit(field), "store": paths.store(field), "features": paths.features(field)}
    if len(open_store(folders["store"])) != rows:
        raise ArtifactError(f"{folders['store']} is of another manifest. Run `mm stage encode --field {field}` again.")
    if not folders["fit"].is_dir():
        raise ArtifactError(f"{folders['fit']} is not there. Run `mm stage fit --field {field}`.")
    return {what: digest_of_folder(folder) for what, folder in folders.items() if folder.is_dir()}


def gather(paths: Paths, fields: list[str]) -> list[Broken]:
    """Refused rows as they came, then broken cells by row."""
    cells = [item for field in fields for item in read_broken(paths.store(field) / "broken.jsonl")]
    return read_broken(paths.refused) + sorted(cells, key=lambda item: (item.row or 0, item.field or ""))


def usable_rows(manifest: Manifest, broken: list[Broken]) -> dict[str, int]:
    """How many rows of each split can be used."""
    left_out = np.array(sorted(broken_rows(broken)), dtype=np.int64)
    return {split: int((~np.isin(manifest.rows(split), left_out)).sum()) for split in SPLITS}
