"""`mm doctor`: a table of what was looked at; exit code 2 where something fails."""

import json
from dataclasses import asdict
from pathlib import Path

import typer

from mmcore.cli.table import aligned
from mmcore.doctor import examine as examine_all

FAILED = 2


def examine(*, as_json: bool) -> None:
    """Print the findings for the current folder."""
    findings = examine_all(Path())
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        print(aligned([(item.state, item.subject, item.found) for item in findings]))
        mended = [item for item in findings if item.state != "ok" and item.advice]
        if mended:
            print("\nWhat to do:")
            print(aligned([(f"  {item.subject}", item.advice) for item in mended]))
    if any(item.state == "fail" for item in findings):
        raise typer.Exit(FAILED)
