"""`python -m flows.release`: which model is in use, which have been, and how to change that."""

import argparse
import getpass
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.branch import CARD, RECORD
from flows.exits import DONE, run_to_exit
from flows.judging import Candidate
from flows.moves import in_use_before, promoted, rolled_back
from flows.project import check_project
from flows.releasing import Releaser, digest_or_none, settle
from flows.settings import release_settings
from flows.smoke import Unfinished
from mmcore.errors import ConfigError, SetupError, denied
from mmcore.releases.fetch import fetch
from mmcore.releases.record import is_of, read_record
from mmcore.releases.tags import Registry, Version, read_registry

Act = Callable[[Releaser, argparse.Namespace], int]

AS_JSON = "tell the result as JSON on stdout"


def act_on(root: Path, act: Act, given: argparse.Namespace) -> int:
    """After whatever an earlier release left undone; where that cannot be done now, a person may still look or move."""
    check_project(root)
    releaser = Releaser(root, release_settings(root), lambda line: print(line, file=sys.stderr))
    try:
        releaser.mend()
    except Unfinished as error:
        releaser.tell(str(error))
    except OSError as error:
        if (told := denied(error)) is None:
            raise
        releaser.tell(told)
    return act(releaser, given)


def list_releases(releaser: Releaser, given: argparse.Namespace) -> int:
    """Every release, the newest first."""
    registry = read_registry(releaser.git, releaser.settings.name)
    current = registry.current(releaser.settings.stage)
    rows = [_about(releaser, registry, version) for version in reversed(registry.versions)]
    if given.json:
        number = None if current is None else current.number
        print(json.dumps({"stage": releaser.settings.stage, "current": number, "releases": rows}, indent=2))
        return DONE
    if not rows:
        print("There are no releases yet. `python -m flows.retrain --release` makes the first.")
        return DONE
    table = Table("", "release", "made (UTC)", "verdict", "score", "model")
    for row in rows:
        mark = releaser.settings.stage if current and row["version"] == current.number else ""
        score = "" if row["score"] is None else f"{row['metric']} {row['score']:.4f}"
        table.add_row(
            mark,
            row["version"],
            row["when"][:16].replace("T", " "),
            f"{row['verdict'] or ''}{', forced' if row['forced'] else ''}",
            score,
            row["digest"][:8],
        )
    Console().print(table)
    return DONE


def show_release(releaser: Releaser, given: argparse.Namespace) -> int:
    """The card of one release; without a version of the one in use."""
    registry = read_registry(releaser.git, releaser.settings.name)
    version = _chosen(releaser, registry, given.version)
    card = releaser.git.file(version.commit, CARD) or ""
    if given.json:
        record = json.loads(releaser.git.file(version.commit, RECORD) or "null")
        print(json.dumps({**_about(releaser, registry, version), "record": record, "card": card}, indent=2))
    else:
        print(card or f"{version.number} has no card; it was registered by hand.")
    return DONE


def promote(releaser: Releaser, given: argparse.Namespace) -> int:
    """Have the pointer name a release; without a version make one of artifacts/model, whatever the verdict was."""
    releaser.hear()
    if given.version is not None:
        reason = promoted(by=_person(), reason=given.reason)
        return _tell_of(releaser, releaser.point_at(given.version, reason=reason), given)
    if not given.reason:
        raise ConfigError('Releasing against a verdict wants a reason that will be kept: --reason "...".')
    candidate, record = Candidate(releaser.root), read_record(releaser.root)
    if candidate.digest is None:
        raise SetupError("There is no model in dvc.lock. `python -m flows.retrain` makes one.")
    current = read_registry(releaser.git, releaser.settings.name).current(releaser.settings.stage)
    champion = None if current is None else digest_or_none(releaser.git, current.commit)
    if current is not None and champion == candidate.digest:
        raise SetupError(f"artifacts/model is {current.number} already, which is in use.")
    if record is None or not is_of({**record, "judged": True}, champion=champion, challenger=candidate.digest):
        raise SetupError("There is no verdict on artifacts/model yet. `python -m flows.retrain` gives one.")
    record["forced"] = {"by": _person(), "reason": given.reason}
    version = releaser.release(record)
    settle(releaser.root, record, releaser.settings, version)
    return _tell_of(releaser, version, given)


def roll_back(releaser: Releaser, given: argparse.Namespace) -> int:
    """Have the pointer name the release that was in use before the present one; twice rolled back goes back twice."""
    releaser.hear()
    registry = read_registry(releaser.git, releaser.settings.name)
    current = registry.current(releaser.settings.stage)
    if current is None or len(set(registry.history(releaser.settings.stage))) < 2:
        raise SetupError(
            "There is no earlier release to go back to. `python -m flows.release list` shows what there is."
        )
    before = in_use_before(registry, releaser.settings.stage)
    if not before and not given.version:
        raise SetupError(f"{current.number} is the oldest release that was in use. Name another: promote VERSION.")
    target = registry.version(given.version) if given.version else before[-1]
    reason = rolled_back(current.number, by=_person(), reason=given.reason)
    return _tell_of(releaser, releaser.point_at(target.number, reason=reason), given)


def get_release(releaser: Releaser, given: argparse.Namespace) -> int:
    """Copy a release's folder, held against its digest."""
    registry = read_registry(releaser.git, releaser.settings.name)
    version = _chosen(releaser, registry, given.version)
    target = Path(given.out)
    if target.exists():
        raise ConfigError(f"{target} is there already. Name another folder, or take it away.")
    shutil.copytree(fetch(releaser.git, version, name=releaser.settings.name), target)
    print(target)
    return DONE


def _chosen(releaser: Releaser, registry: Registry, number: str | None) -> Version:
    current = registry.current(releaser.settings.stage)
    if number is not None and number != releaser.settings.stage:
        return registry.version(number)
    if current is None:
        raise SetupError("No release is in use. `python -m flows.release list` shows what there is.")
    return current


def _about(releaser: Releaser, registry: Registry, version: Version) -> dict[str, Any]:
    record = json.loads(releaser.git.file(version.commit, RECORD) or "{}")
    metrics = json.loads(releaser.git.file(version.commit, "artifacts/metrics.json") or "{}")
    metric = record.get("metric")
    current = registry.current(releaser.settings.stage)
    return {
        "version": version.number, "commit": version.commit, "when": version.when, "message": version.message,
        "digest": digest_or_none(releaser.git, version.commit) or "", "verdict": record.get("verdict"),
        "forced": record.get("forced"), "metric": metric, "score": metrics.get(metric) if metric else None,
        "in_use": version == current,
    }  # fmt: skip


def _tell_of(releaser: Releaser, version: Version, given: argparse.Namespace) -> int:
    registry = read_registry(releaser.git, releaser.settings.name)
    if given.json:
        print(json.dumps(_about(releaser, registry, version), indent=2))
    else:
        name, stage = releaser.settings.name, releaser.settings.stage
        print(f"{stage} is {version.number} now: mm predict {stage} ..., or dvc artifacts get . {name} --stage {stage}")
    return DONE


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "somebody"


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.release", description=__doc__)
    parser.set_defaults(act=list_releases, json=False)
    parser.add_argument("--json", action="store_true", help=AS_JSON)
    commands = parser.add_subparsers(metavar="COMMAND")
    acts: dict[str, tuple[Act, str]] = {
        "list": (list_releases, "every release, the newest first (also without a command)"),
        "show": (show_release, "the model card of a release; of the one in use where no version is named"),
        "get": (get_release, "copy a release's folder, held against its digest"),
        "promote": (promote, "use a release; without a version: release artifacts/model against its verdict"),
        "rollback": (roll_back, "use the release that was in use before"),
    }
    for name, (act, words) in acts.items():
        command = commands.add_parser(name, help=words, description=act.__doc__)
        command.set_defaults(act=act)
        # With a default it would undo the one before COMMAND.
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=AS_JSON)
        if name != "list":
            command.add_argument("version", nargs="?", metavar="VERSION", help="v1.2.0")
        if name in ("promote", "rollback"):
            command.add_argument("--reason", help="kept with the release")
        if name == "get":
            command.add_argument("--out", required=True, metavar="FOLDER", help="where it goes")
    given = parser.parse_args()
    return run_to_exit(lambda: act_on(Path.cwd(), given.act, given))


if __name__ == "__main__":
    sys.exit(main())
