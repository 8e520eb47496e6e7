"""How fast it is, beside what one would use instead: a table, each row a ratio of two ways measured in turns.

A row's goal is met when the 95 % interval of its ratio reaches it. On a machine that does other work at the same time
ratios still mean something, seconds do not. `--quick` shows that every row can be measured, and judges none.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from timing.beside import beside_rows
from timing.chunks import chunk_rows
from timing.clip import clip_rows
from timing.growth import growth_rows
from timing.large import write_rows
from timing.multimodal import multimodal_rows
from timing.pictures import append_rows, encode_rows, features_rows, input_rows
from timing.remote import remote_rows
from timing.sounds import sound_rows
from timing.starting import flow_rows, start_rows
from timing.trainer import trainer_rows
from timing.training import half_precision, loops
from timing.use import find_rows

Rows = Callable[..., list[dict[str, Any]]]


PARTS: Mapping[str, Rows] = {
    "loop": loops,
    "trainer": trainer_rows,
    "input": input_rows,
    "encode": encode_rows,
    "append": append_rows,
    "sound": sound_rows,
    "features": features_rows,
    "remote": remote_rows,
    "bf16": half_precision,
    "gradcache": chunk_rows,
    "decode": write_rows,
    "find": find_rows,
    "start": start_rows,
    "flow": flow_rows,
    "beside": beside_rows,
    "growth": growth_rows,
    "clip": clip_rows,
    "multimodal": multimodal_rows,
}


def show(row: Mapping[str, Any]) -> str:
    """One line for people."""
    if row["ratio"] is None:
        return f"{row['what']:100} not measured: {row['why']}"
    verdict = {True: "met", False: "NOT met", None: "not judged"}[row["met"]]
    low, high = row["spread"]
    numbers = f"{row['ours']:g} {row['unit']} beside {row['reference']:g}"
    return (
        f"{row['what']:100} {numbers:34} {row['ratio']:g} times ({low:g} to {high:g}), goal {row['goal']:g}: {verdict}"
    )


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and few: that the path works")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=sorted(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    rows = list[dict[str, Any]]()
    for name in options.only or PARTS:
        found = PARTS[name](quick=options.quick)
        rows += [{**row, "met": None} for row in found] if options.quick else found
        if not options.json:
            print("\n".join(map(show, rows[-len(found) :])), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
