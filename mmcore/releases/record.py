"""artifacts/verdict.json: what came of comparing the new model with the one in use.

    verdict       PROMOTE, HOLD or REJECT
    reasons       sentences, the weightiest first
    judged        false where the models could not be compared; then `reasons` say why, and it is for a person to mend.
                  `scores` are there all the same where one answers through code that it was not made with
    when          ISO 8601, UTC
    champion      {"version", "commit", "digest"} of the model in use; null: there is none
    challenger    {"digest"} of artifacts/model, as in dvc.lock
    data          digest of artifacts/manifest.parquet, as in dvc.lock
    metric        training.monitor, or what stands for it (Metric.across_tokenizers)
    settings      `verdict` of params.yaml
    question      digest of what decides besides models and data (flows/settings.py): another one is asked anew
    rows          {"split", "n", "digest", "left_out": {why: rows}}
    scores        task/metric -> {"champion", "challenger", "gain", "low", "high", "deviation", "groups",
                  "unknown"}
    slices        COLUMN=VALUE -> the same, of the watched metric
    chance        {"p", "allowed", "needed", "by", "look", "looks_at_split", "spent_this_year", "deviation", "freedom"}
    drift         {"rows", "asks", "fields": [..]} of rows that the model in use was not trained on; null: not looked at
    earlier       the looks before this one, of the last year (mmcore/releases/looks.py)
    notes         what else there is to know
    forced        {"by", "reason"} where a person released it against the verdict; else null
    release       {"version", "commit", "stage"} that came of it; null: none

`python -m flows.retrain --json` has the whole of it under "verdict". It is no output of DVC: it depends on the model in
use, which DVC knows nothing of.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcore.errors import ArtifactError

VERDICT = Path("artifacts", "verdict.json")
PAGE = Path("artifacts", "verdict.html")

Record = dict[str, Any]


def empty(when: str, *, champion: Mapping[str, str] | None, digest: str, data: str, metric: str) -> Record:
    """A record that says nothing yet."""
    return {
        "verdict": "HOLD", "reasons": [], "judged": True, "when": when,
        "champion": None if champion is None else dict(champion), "challenger": {"digest": digest}, "data": data,
        "metric": metric, "settings": {}, "question": "",
        "rows": None, "scores": {}, "slices": {}, "chance": None, "drift": None, "earlier": [],
        "notes": [], "forced": None, "release": None,
    }  # fmt: skip


def read_record(root: Path) -> Record | None:
    """artifacts/verdict.json; None where it is not there."""
    try:
        found = json.loads((root / VERDICT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ArtifactError(f"{VERDICT} is not JSON: {error}. Delete it and run `python -m flows.retrain`.") from error
    return dict(found)


def write_record(root: Path, record: Mapping[str, Any]) -> None:
    """The same value gives the same bytes; whole or not there."""
    path = root / VERDICT
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def is_of(record: Mapping[str, Any] | None, *, champion: str | None, challenger: str) -> bool:
    """Whether the record is of these two models, by their digests."""
    if record is None or not record["judged"]:
        return False
    known = record["champion"] and record["champion"]["digest"]
    return bool(known == champion and record["challenger"]["digest"] == challenger)
