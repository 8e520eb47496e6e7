"""`python -m flows.retrain`: bring the model up to date, hold it against the one in use, release it if it is better."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from flows.exits import DONE, MENDABLE, exit_code, run_to_exit
from flows.fresh import update_imports
from flows.graph import Graph
from flows.judging import Candidate, champion_of, judge, judged_before, known_verdict, provide_champion, write_down
from flows.locks import only_one
from flows.options import stage_options
from flows.outcome import Outcome, Status
from flows.packages import check_installed
from flows.project import check_project, check_writable
from flows.releasing import Releaser, digest_or_none, settle, was_taken_back
from flows.settings import release_settings, starts_from_champion
from flows.summary import REPORT, read_scores, score_line, score_table
from mmcore.releases.git import Git
from mmcore.releases.record import PAGE, Record, read_record, write_record
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import Version

NAMED = 5  # stages in one line


@dataclass
class Result:
    """What a retraining came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    record: Record | None = None
    """The verdict, where there was something to judge."""
    release: Version | None = None
    """What was released just now."""
    in_use: str | None = None
    """The release that the pointer names in the end."""
    note: str = ""
    """Why there is no verdict."""

    @property
    def code(self) -> int:
        failed = exit_code(self.outcomes)
        unjudged = self.record is not None and not self.record["judged"]
        return failed if failed else MENDABLE if unjudged else DONE


def retrain(root: Path, *, jobs: int, force: bool, as_json: bool, release: bool | None, wait: bool) -> int:
    """The steps, in order. release: None: as params.yaml says. Returns the exit code."""
    check_project(root)
    check_writable(root)
    git = Git(root)
    with only_one(git, "retraining", wait=wait):
        settings = release_settings(root)
        releaser = Releaser(root, settings, _tell)
        releaser.mend()
        releaser.hear()
        for path in update_imports(root, git, tell=_tell):
            _tell(f"New data: {path}")
        if starts_from_champion(root):
            provide_champion(root, git, settings)
        result = Result()
        if force or not is_up_to_date():
            result.outcomes = bring_up_to_date(jobs=jobs, force=force)
        else:
            check_installed(root, git, champion_of(git, settings))
        if not exit_code(result.outcomes):
            decide(result, root, releaser, releasing=settings.enabled if release is None else release)
        in_use = champion_of(git, settings)
        result.in_use = None if in_use is None else in_use.number
    tell_as_json(root, result) if as_json else tell(root, result)
    return result.code


def decide(result: Result, root: Path, releaser: Releaser, *, releasing: bool) -> None:
    """The verdict, and the release where it says PROMOTE; nothing where all of that has been done."""
    git, branch, settings = releaser.git, releaser.branch, releaser.settings
    releaser.hear()  # others may have released while this one was trained
    candidate, champion = Candidate(root), champion_of(git, settings)
    if candidate.digest is None:
        return
    if champion is None and not releasing:
        result.note = "No model is in use yet: `python -m flows.retrain --release` makes this one the first release."
        return
    digest = None if champion is None else digest_or_none(git, champion.commit)
    if champion is not None and digest == candidate.digest:
        note_release(root, releaser, candidate, champion)
        result.note = f"The model in use, {champion.number}, is this one."
        return
    result.record = known_verdict(root, candidate, digest)
    before = judged_before(branch, candidate, digest) if digest is not None and result.record is None else None
    if before is not None and not (releasing and before.verdict == "PROMOTE"):
        result.note = f"Compared with the model in use on {before.when[:16].replace('T', ' ')} UTC: {before.verdict}."
        return
    if result.record is None:
        _tell("Comparing the new model with the one in use." if champion else "Looking at the first model.")
        result.record = judge(root, git, branch, settings, candidate)
        publish(result)
    if write_down(result.record, branch):
        releaser.publish()
    if result.record["verdict"] == "PROMOTE" and releasing:
        release_it(result, root, releaser, settings, candidate)


def note_release(root: Path, releaser: Releaser, candidate: Candidate, champion: Version) -> None:
    """A run that was killed after its release had no time to write that into the verdict."""
    record = read_record(root)
    if record is not None and record["challenger"]["digest"] == candidate.digest and record["release"] is None:
        settle(root, record, releaser.settings, champion)


def release_it(result: Result, root: Path, releaser: Releaser, settings: ReleaseSettings, candidate: Candidate) -> None:
    """Unless a person, or its smoke test, has taken these very bytes back before."""
    record = result.record
    assert record is not None
    assert candidate.digest is not None
    taken_back = was_taken_back(releaser.git, settings, candidate.digest)
    if taken_back is not None:
        record["verdict"], record["release"] = "HOLD", None
        number = taken_back.number
        mend = f"`python -m flows.release promote {number}` uses it all the same."
        record["reasons"] = [f"The same model was released as {number} and taken back. {mend}", *record["reasons"]]
        write_record(root, record)
        return
    result.release = releaser.release(record)
    settle(root, record, settings, result.release)


def publish(result: Result) -> None:
    """The verdict as an artifact of Prefect, where Prefect was started for the stages."""
    if result.outcomes and result.record is not None:
        from flows.published import publish_verdict

        publish_verdict(result.record)


def is_up_to_date() -> bool:
    """By DVC alone: Prefect takes seconds to start, and most nights bring nothing new."""
    with closing(Graph()) as graph:
        stale = graph.stale()
    if stale:
        named = ", ".join(stale[:NAMED]) + (f" and {len(stale) - NAMED} more" if len(stale) > NAMED else "")
        _tell(f"To be brought up to date: {named}, and what follows from it. Starting Prefect.")
    return not stale


def bring_up_to_date(*, jobs: int, force: bool) -> list[Outcome]:
    # Here, because importing it loads Prefect.
    from flows.pipeline import run_pipeline

    return run_pipeline(jobs=jobs, force=force)


def tell(root: Path, result: Result) -> None:
    """For people: what went wrong, or the score beside its floors, the verdict, and where the pages are."""
    failed = [outcome for outcome in result.outcomes if outcome.status is Status.FAILED]
    for outcome in failed:
        print(f"{outcome.stage} failed: {outcome.reason}", file=sys.stderr)
    if failed:
        return
    scores = read_scores(root)
    if not result.outcomes:
        print("Nothing to do: data, code and parameters are as the last run found them.", *map(score_line, scores[:1]))
    elif scores:
        Console().print(score_table(scores))
    if (root / REPORT).exists():
        print(f"The report: {REPORT}")
    tell_of_verdict(result)


def tell_of_verdict(result: Result) -> None:
    """One line for each reason and note, and what came of it."""
    if result.note:
        print(result.note)
    if result.record is None:
        return
    reasons: Sequence[str] = result.record["reasons"]
    print(f"{result.record['verdict']}: {reasons[0] if reasons else ''}")
    drift = [f"Drift: {what}." for what in (result.record["drift"] or {}).get("asks", [])]
    for more in [*reasons[1:], *drift, *result.record["notes"]]:
        print(f"  {more}")
    print(f"The verdict: {PAGE}")
    released = result.record["release"]
    if released and released["version"] == result.in_use:
        print(f"{released['stage']} is {released['version']}: mm predict {released['stage']} ...")
    elif released:
        print(f"It was released as {released['version']}; {released['stage']} is {result.in_use} now.")
    elif result.record["verdict"] == "PROMOTE":
        print("Not released: `python -m flows.retrain --release` does that.")


def tell_as_json(root: Path, result: Result) -> None:
    """The same for programs, alone on stdout."""
    report = {
        "up_to_date": all(outcome.status.good for outcome in result.outcomes),
        "stages": [asdict(outcome) for outcome in result.outcomes],
        "scores": [asdict(score) for score in read_scores(root)],
        "report": str(REPORT) if (root / REPORT).exists() else None,
        "verdict": result.record,
        "release": None if result.release is None else asdict(result.release),
        "in_use": result.in_use,
        "note": result.note,
    }
    print(json.dumps(report, indent=2))


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.retrain", description=__doc__, parents=[stage_options()])
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")
    parser.add_argument(
        "--release", action=argparse.BooleanOptionalAction, default=None,
        help="release a better model, or the first one; without it release.enabled of params.yaml decides",
    )  # fmt: skip
    parser.add_argument("--wait", action="store_true", help="wait while another retraining runs; else it is an error")
    given = parser.parse_args()
    return run_to_exit(
        lambda: retrain(
            Path.cwd(), jobs=given.jobs, force=given.force, as_json=given.json, release=given.release, wait=given.wait
        )
    )


if __name__ == "__main__":
    sys.exit(main())
