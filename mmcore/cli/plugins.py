"""`mm plugins`: what is installed, and what does not load."""

import json
from collections.abc import Sequence

from mmcore.cli.table import aligned
from mmcore.registry.plugins import GROUPS, PluginRow, installed


def show_plugins(*, as_json: bool) -> None:
    """Print a table or JSON. Only plugins that look broken are imported, to hear why; `mm doctor` imports all."""
    rows = [row for kind in GROUPS for row in installed().kind(kind).rows(load=False)]
    if as_json:
        print(json.dumps([_as_json(row) for row in rows], indent=2))
        return
    if not rows:
        print("No plugins are installed. Install one: pip install -e plugins/mm-image")
        return
    print(aligned([("kind", "name", "package", "version", "class"), *(_cells(row) for row in rows)]))
    for row in rows:
        if row.error is not None:
            print(f"\n{row.error}")


def _as_json(row: PluginRow) -> dict[str, str | None]:
    return {
        "kind": row.kind,
        "name": row.name,
        "package": row.package,
        "version": row.version,
        "class": row.target,
        "error": row.error,
    }


def _cells(row: PluginRow) -> Sequence[str]:
    return row.kind, row.name, row.package, row.version, row.target if row.error is None else f"{row.target}  (!)"
