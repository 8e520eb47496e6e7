"""Data that a .dvc file names: what lies there is taken in as it is, unless it is what an earlier commit named.

DVC takes the folder for the truth. After a `git pull` without `dvc pull` it still has yesterday's rows: today's would
be left out of the training without a word, and the .dvc file that came with the pull would be turned back.

`python -m flows.retrain`, `flows.pipeline` and `flows.search` look; `dvc repro` is DVC's own and does not.
"""

import shlex
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

from flows.damaged import drop_damaged, restored_damaged
from mmcore.errors import SetupError
from mmcore.releases.git import Git

COMMITS = 200
"""Those that changed a .dvc file and are looked through, the newest first."""


def take_in(stage: Any, show: Callable[[str], None]) -> None:
    """DVC's own way for a stage without a command: data, an import, a frozen stage.

    Raises SetupError where data is missing or older than what was pulled; its .dvc file is left as it is then.
    """
    # An import that somebody unfroze is fetched anew, whatever lies there.
    is_kept = stage.cmd is None and (stage.frozen or not stage.deps)
    missing = [str(out) for out in stage.outs if not out.exists] if is_kept else []
    if missing:
        raise SetupError(
            f"{', '.join(missing)} is missing: `dvc pull {shlex.quote(stage.addressing)}` fetches it, if it was ever "
            "pushed (`dvc push`)."
        )
    before = {out: out.hash_info.value for out in stage.outs}
    for out in stage.outs if stage.frozen or not stage.deps else []:
        if out.exists:
            as_it_lies = copy(out)
            as_it_lies.save()  # its hash, and nothing in the cache yet
            drop_damaged([as_it_lies], show)  # DVC would put it over somebody's data
    if not stage.reproduce():
        return
    for out, named in before.items() if is_kept else ():
        if named not in (None, out.hash_info.value):
            _check_not_older(stage, str(out), named, out.hash_info.value)
            show(f"{out} has other data than {stage.addressing} named; {stage.addressing} names this now.")
    stage.dump(update_pipeline=False)


def check_whole(stage: Any) -> None:
    """Raises SetupError where data is cut as DVC's cache has it: DVC takes for unchanged what it put there itself."""
    for out in stage.outs if stage.cmd is None else []:
        damaged = restored_damaged(out)
        if damaged:
            file, more = shlex.quote(stage.addressing), f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            raise SetupError(
                f"{out} is not what {stage.addressing} names: it comes from DVC's cache, where it is damaged "
                f"({shlex.quote(str(damaged[0]))}{more}). Delete that; then `dvc commit --force {file}` keeps it again "
                f"where {out} lies whole, and where it does not, delete {out} too: `dvc pull {file}` fetches it, if it "
                "was ever pushed (`dvc push`)."
            )


def _check_not_older(stage: Any, data: str, named: str, found: str) -> None:
    commit = earlier_commit(Path(stage.path), named=named, found=found)
    if commit is not None:
        file = shlex.quote(stage.addressing)
        # `dvc add` would leave an import's newer source beside it: `dvc update` would find nothing new.
        take_back = f"git checkout {commit.split()[0]} -- {file}" if stage.deps else f"dvc add {shlex.quote(data)}"
        raise SetupError(
            f"{data} is as commit {commit} had it; {stage.addressing} names newer data: `dvc pull {file}` fetches it. "
            f"If the older data is meant: `{take_back}`."
        )


def earlier_commit(file: Path, *, named: str, found: str) -> str | None:
    """The newest commit, and its day, in which a .dvc file named the hash `found`; None where there is none, or no git.

    None as well where the last commit does not name `named`: the file was edited here then, and what lies there may be
    an edit that was taken back.
    """
    git = Git(file.parent)
    try:
        if named not in (git.file("HEAD", f"./{file.name}") or ""):
            return None
    except SetupError:  # no program git
        return None
    # In full: of two branches that were merged, git would leave out the one that the merge did not go by.
    log = ("log", "--full-history", f"--max-count={COMMITS}", "--format=%h of %cs", "--", file.name)
    commits = (git.ask("--literal-pathspecs", *log) or "").split("\n")
    names = [commit.split()[0] for commit in commits if commit]
    grep = ("grep", "--no-color", "--files-with-matches", "--fixed-strings", "-e", found, *names, "--", file.name)
    hits = git.ask("--literal-pathspecs", *grep) if names else None
    return commits[names.index(hits.split(":")[0])] if hits else None
