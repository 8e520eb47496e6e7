"""The model card: what a release was made of and how good it is, in Markdown, to be read years later."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from mmcore.errors import ArtifactError
from mmcore.releases.record import Record

OF_PARAMS = ("fields", "fusion", "tasks", "training")


def card(
    *, name: str, number: str, lock: str, params: str, metrics: str | None, about: str | None, record: Record,
    code: str, unknown: Sequence[str],
) -> str:  # fmt: skip
    """The page.

    lock, params, metrics: the text of dvc.lock, params.yaml and metrics.json. about: of the model's own model.yaml.
    code: the commit that it was made from. unknown: files below its dependencies that git does not know.
    Raises ArtifactError where the metrics are no JSON, as after a merge.
    """
    lines = [f"# {name} {number}", "", *_verdict(record), "", "## Scores", "", *_scores(_read(metrics or "{}"))]
    lines += ["", "## Data", "", *_data(lock), "", "## Made with", "", f"- commit {code}", *_made_with(about)]
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        lines += [f"- files that are in no commit, so that it cannot be made again from git alone: {shown}"]
    return "\n".join([*lines, "", "## Parameters", "", "```yaml", _params(params), "```", ""])


def _verdict(record: Record) -> Iterator[str]:
    yield f"{record['verdict']}, {record['when'][:16].replace('T', ' ')} UTC"
    yield ""
    yield from (f"- {reason}" for reason in record["reasons"])
    if record["forced"]:
        yield f"- **Released against the verdict** by {record['forced']['by']}: {record['forced']['reason']}"


def _read(metrics: str) -> dict[str, Any]:
    try:
        return dict(json.loads(metrics))
    except ValueError as error:
        raise ArtifactError(f"artifacts/metrics.json is not JSON: {error}. Run `dvc repro evaluate`.") from error


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Each score with its interval; below it floors, slices and losses."""
    numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
    yield f"On {metrics.get('n', '?')} rows of the {metrics.get('split', 'test')} split."
    yield ""
    yield "| | value | interval |"
    yield "| --- | --- | --- |"
    for key, value in sorted(numbers.items()):
        if "/" not in key or key.startswith("rows/") or key.endswith(("/low", "/high")):
            continue
        low, high = numbers.get(f"{key}/low"), numbers.get(f"{key}/high")
        interval = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        yield f"| {key.replace('|', '/')} | {value:.4f} | {interval} |"
    for key in sorted(numbers):
        if key.startswith("rows/") or key == "quarantined":
            yield f"| {key} | {numbers[key]} | |"


def _data(lock: str) -> Iterator[str]:
    """What the stages read, by content: code and data alike."""
    stages: Any = (yaml.safe_load(lock) or {}).get("stages") or {}
    outs = {out["path"]: out.get("md5", "") for one in stages.values() for out in one.get("outs", [])}
    deps = {dep["path"]: dep.get("md5", "") for one in stages.values() for dep in one.get("deps", [])}
    yield "| read | md5 |"
    yield "| --- | --- |"
    yield from (f"| {path} | {digest} |" for path, digest in sorted(deps.items()) if path not in outs)
    yield from (
        f"| {path} | {digest} |" for path, digest in sorted(outs.items()) if path.endswith((".parquet", "model"))
    )


def _made_with(about: str | None) -> Iterator[str]:
    made: Mapping[str, Mapping[str, str]] = (yaml.safe_load(about) or {}) if about else {}
    code = {name: f" (code {digest})" for name, digest in made.get("code", {}).items()}
    yield from (f"- {name} {version}{code.get(name, '')}" for name, version in sorted(made.get("packages", {}).items()))


def _params(text: str) -> str:
    values = yaml.safe_load(text) or {}
    chosen = {key: values[key] for key in OF_PARAMS if key in values}
    return yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True).rstrip("\n")
