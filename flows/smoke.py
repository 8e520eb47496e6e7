"""The smoke test of a release: whether the pointer gives its bytes and they answer, and what is said where not."""

import tempfile
from pathlib import Path

from flows.journal import Underway
from flows.judging import run_mm
from mmcore.errors import MmcoreError, SetupError, WrongModel
from mmcore.releases.fetch import check_contents, digest_in, get
from mmcore.releases.git import Git


class SmokeFailed(SetupError):
    """What was released does not answer, and the pointer went back."""


class Unfinished(SetupError):
    """Something else than the model stopped the smoke test; the pointer stays, and the next run goes on."""


def smoke_test(git: Git, underway: Underway) -> None:
    """Get the pointer's bytes as a user would, hold them against dvc.lock, and ask them something.

    Raises WrongModel where they are not the released ones or answer wrongly, whatever else where that cannot be told.
    """
    folder = git.root / ".mm"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="smoke-") as place:
        got = Path(place) / "model"
        get(git, got, name=underway.name, stage=underway.stage)
        check_contents(git, got, digest_in(git, underway.commit), what=f"What {underway.stage} gives")
        run_mm("smoke", str(got))


def told_taken_back(underway: Underway, error: WrongModel) -> str:
    """Which release the pointer names again, and why."""
    number, stage, previous = underway.number, underway.stage, underway.previous
    if previous == number:
        return f"{number}, which {stage} names, failed its smoke test: {error}"
    return f"{number} failed its smoke test, and {stage} names {previous or 'nothing'} again: {error}"


def told_untested(underway: Underway, error: MmcoreError | OSError) -> str:
    """That the pointer names a release still which nobody could ask, and what to do."""
    before = underway.previous if underway.previous != underway.number else None
    rollback = f"; `python -m flows.release rollback` gives {before} again" if before else ""
    return (
        f"The smoke test of {underway.name} {underway.number} did not come to its end: {str(error).rstrip('.')}. "
        f"Nothing was taken back: {underway.stage} names {underway.number}, untested. Mend that and start again, which "
        f"goes on from here{rollback}."
    )
