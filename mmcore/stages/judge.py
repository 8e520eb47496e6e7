"""judge: the new model beside the one in use; writes verdict.json and its page. Run by flows, not by DVC."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mmcore.config.params import Params
from mmcore.errors import ArtifactError, ConfigError, DataError, listing, near_miss
from mmcore.evaluation.compare import Paired
from mmcore.evaluation.score import better_of
from mmcore.registry.plugins import Plugins, installed
from mmcore.releases.looks import Look, allowance, earlier, now_after, of_the_year, read_looks
from mmcore.releases.noise import chance_of, noise_of
from mmcore.releases.record import Record, empty, write_record
from mmcore.releases.settings import VerdictSettings
from mmcore.releases.verdict import Decision, Difference, Judgement, first, judge
from mmcore.stages import compare, verdict
from mmcore.stages.drift import drift_of
from mmcore.stages.outputs import read_output
from mmcore.stages.paths import Paths

SHOWN = 30
"""Earlier looks that the page lists."""

READS = (*compare.READS, "verdict", "repeats.summary", "report.title")


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Judge artifacts/model by what .mm/judge.json says: `now`, `digest` of the new model, `champion`, `looks`,
    `question`.

    The champion's bytes lie in the folder that it names. Where the two cannot be compared, or one of them only through
    code that it was not made with, the verdict is HOLD and says so in `judged`. Raises ConfigError where
    `verdict.tolerances` names what is no score.
    """
    plugins = plugins or installed()
    asked = json.loads((paths.state / "judge.json").read_text(encoding="utf-8"))
    looks = read_looks(asked["looks"])
    now = now_after(looks, datetime.fromisoformat(asked["now"]))
    metric = params.get("training.monitor", str)
    about = {name: asked[name] for name in ("champion", "digest", "data")}
    record = empty(now.isoformat(), **about, metric=metric)
    record["settings"], record["question"] = asdict(params.get("verdict", VerdictSettings)), asked["question"]
    if asked["champion"] is None:
        _first(record, params, paths, plugins=plugins)
    else:
        folder = Path(asked["folder"])
        try:
            compared = compare.run(params, paths, champion=folder, challenger=paths.model, plugins=plugins)
        except (ArtifactError, DataError) as error:
            record |= {"judged": False, "reasons": [f"The models cannot be compared: {error}"]}
        else:
            _check_tolerances(params.get("verdict", VerdictSettings), compared.known)
            _tell(record, compared)
            if compared.edited:
                record |= {"judged": False, "reasons": [_unfair(compared)]}
            else:
                _compare(record, compared, params, paths, looks=looks, now=now)
                record["drift"] = drift_of(params, paths, folder, plugins=plugins)
    record["earlier"] = [asdict(look) for look in of_the_year(looks, now)][-SHOWN:]
    write_record(paths.root, record)
    verdict.run(params, paths)


def _first(record: Record, params: Params, paths: Paths, *, plugins: Plugins) -> None:
    """The first model is held against its floors alone."""
    metric = params.get("training.monitor", str)
    saved = compare.open_model(paths.model, plugins)
    _check_tolerances(params.get("verdict", VerdictSettings), compare.scores_of(saved))
    scores = read_output(paths.metrics, "evaluate")
    _settle(record, first(scores, metric, better=better_of(saved.model, metric)))


def _tell(record: Record, compared: compare.Compared) -> None:
    """Every score of both."""
    record["metric"] = compared.metric
    record["rows"] = {"split": compared.split, "n": compared.n, "digest": compared.rows}
    record["rows"]["left_out"] = dict(compared.left_out)
    record["scores"] = {name: asdict(_difference(found)) for name, found in compared.scores.items()}
    record["slices"] = {name: asdict(_difference(found)) for name, found in compared.slices.items()}
    record["notes"] = list(dict.fromkeys(compared.notes))


def _unfair(compared: compare.Compared) -> str:
    """Why no gain counts, and the ways out."""
    return (
        f"The models cannot be compared: {' '.join(compared.edited)} A gain may come from that edit alone. Put that "
        "code back; or, where it answers as before, give the package another version and install it again; or promote "
        "by hand."
    )


def _compare(
    record: Record, compared: compare.Compared, params: Params, paths: Paths, *, looks: list[Look], now: datetime
) -> None:
    settings, metric = params.get("verdict", VerdictSettings), compared.metric
    year = of_the_year(looks, now)
    key = (record["champion"]["digest"], record["challenger"]["digest"], compared.rows)
    before = earlier(looks, (*key, record["question"]))
    allowed = allowance(looks, now, settings) if before is None else before.spent
    seeds = _seeds(paths, metric) if "seeds" in params.get("repeats.summary", dict[str, Any]) else (1, 0.0)
    tonight = Look(
        now.isoformat(), *key, n=compared.n, metric=metric, gain=compared.scores[metric].gain, spent=allowed,
        verdict="", seeds=seeds[0], deviation=seeds[1], data=record["data"],
        question=record["question"],
    )  # fmt: skip
    past = [look for look in year if look.asked != tonight.asked]
    # Tonight's seeds count, tonight's gain does not, however it was asked for before: it is what is to be judged.
    noise = noise_of([*(look for look in past if look.key != key), replace(tonight, champion="")], metric)
    watched = _difference(compared.scores[metric])
    chance = chance_of(watched.gain, rows=watched.deviation, groups=watched.groups, noise=noise, allowed=allowed)
    others = {name: _difference(found) for name, found in compared.scores.items() if name != metric}
    slices = {name: _difference(found) for name, found in compared.slices.items()}
    settled = judge(
        watched, metric=metric, others=others, slices=slices, chance=chance, noise=noise, allowed=allowed,
        settings=settings,
    )  # fmt: skip
    _settle(record, settled)
    record["notes"] += _changed_rows(looks, compared)
    record["look"] = asdict(tonight) | {"verdict": str(settled.decision)}
    record["chance"] = {
        **asdict(chance), "needed": None if chance.needed == float("inf") else chance.needed, "allowed": allowed,
        "look": len(past) + 1,
        "looks_at_split": len({look.asked for look in looks if look.rows == compared.rows} | {tonight.asked}),
        "spent_this_year": sum(look.spent for look in past) + allowed,
        "deviation": noise.deviation, "freedom": noise.freedom, "new": before is None,
    }  # fmt: skip


def _check_tolerances(settings: VerdictSettings, known: Collection[str]) -> None:
    """Raises ConfigError for a name that is no score of the new model: misspelt, it would watch over nothing."""
    for name in settings.tolerances:
        if name not in known:
            raise ConfigError(
                f"verdict.tolerances names {name!r}, which is no score of the new model.{near_miss(name, known)} "
                f"There are: {listing(known)}."
            )


def _settle(record: Record, settled: Judgement) -> None:
    record["verdict"], record["reasons"] = str(settled.decision), list(settled.reasons)
    assert settled.decision in Decision


def _difference(found: Paired) -> Difference:
    return Difference(
        found.first, found.second, found.gain, found.low, found.high, deviation=found.deviation, groups=found.groups,
        unknown=found.unknown,
    )  # fmt: skip


def _seeds(paths: Paths, metric: str) -> tuple[int, float]:
    """How many trainings of `repeats.seeds` there are, and how far their scores lie apart."""
    try:
        spread: Mapping[str, Any] = json.loads(paths.spread("seeds").with_suffix(".json").read_text(encoding="utf-8"))
        found = spread["spread"][metric]
        return int(found["runs"]), float(found["deviation"])
    except (FileNotFoundError, KeyError):
        return 1, 0.0


def _changed_rows(looks: list[Look], compared: compare.Compared) -> list[str]:
    if not looks or looks[-1].rows == compared.rows:
        return []
    change = f"The rows to compare on are not those of the last look: {compared.n} now, {looks[-1].n} then."
    return [f"{change} Both models are judged on today's."]
