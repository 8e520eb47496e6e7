"""What several machines hear of each other's releases: the branch and the tags of one remote of git.

Each goes on by itself where the remote cannot be reached. What two have done in the meantime is put together when they
hear of each other: looks by a merge of the branch (flows/branch.py), and of two tags of one name each keeps its own.
"""

import re
from collections.abc import Callable

from flows.branch import Branch
from mmcore.errors import SetupError, listing
from mmcore.releases.git import Git, NoAnswer
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import read_registry

Tell = Callable[[str], None]

_REFUSED = re.compile(r"^ ! \[.*$", re.MULTILINE)
_CLASH = re.compile(r"^ ! \[rejected\]\s+(\S+)\s.*\((?:would clobber existing tag|already exists)\)$")
"""In git's words for a fetch and for a push."""


def hear(git: Git, settings: ReleaseSettings, tell: Tell) -> None:
    """Fetch what others have released and looked at, where there is a remote for it."""
    remote, name, branch = settings.git_remote, settings.name, settings.branch
    if remote is None:
        return
    named = git.lines("remote")
    if remote not in named:
        tell(
            f"release.git_remote of params.yaml is {remote!r}, and what others have released is heard of from what "
            f"`git remote` lists alone ({listing(named)}). Name one of them; `git remote add NAME ADDRESS` adds one."
        )
        return
    # A pattern, which may match nothing: before the first release the remote has no such branch.
    asked = [f"+refs/heads/{branch}*:refs/remotes/{remote}/{branch}*"]
    asked += [f"refs/tags/{name}{sign}*:refs/tags/{name}{sign}*" for sign in "@#"]
    before, _ = _in_use(git, settings)
    try:
        git.run("fetch", "--no-tags", remote, *asked)
    except SetupError as error:
        tell(clash_in(str(error), remote) or f"What others have released is not known: {error}")
    now, tag = _in_use(git, settings)  # also where some tags clashed: the others have come
    if before not in (None, now):
        tell(f"{settings.stage} was {before} here and is {now or 'nothing'} by `{tag}` of {remote}.")


def _in_use(git: Git, settings: ReleaseSettings) -> tuple[str | None, str]:
    """What the pointer names, and the tag that has it do so."""
    registry = read_registry(git, settings.name)
    current = registry.current(settings.stage)
    last = [pointer for pointer in registry.pointers if pointer.stage == settings.stage][-1:]
    tags = [f"{settings.name}#{one.stage}{'!' if one.cancelled else ''}#{one.counter}" for one in last]
    return None if current is None else current.number, "".join(tags)


def publish(git: Git, branch: Branch, settings: ReleaseSettings, tell: Tell) -> None:
    """Push the branch and the tags, after a merge where somebody else has pushed meanwhile."""
    remote = settings.git_remote
    if remote is None:
        return
    error = _push(git, branch, settings)
    if error is not None and not isinstance(error, NoAnswer) and clash_in(str(error), remote) is None:
        hear(git, settings, tell)
        error = _push(git, branch, settings)
    if error is not None:
        # The release is made, here; others hear of it with the next one.
        lost = f"Could not be told to {remote}; `git push` it, or the next look or release will: {error}"
        tell(clash_in(str(error), remote) or lost)


def _push(git: Git, branch: Branch, settings: ReleaseSettings) -> SetupError | None:
    tags = git.lines("tag", "--list", f"{settings.name}@*", f"{settings.name}#*")
    remote, names = str(settings.git_remote), [f"refs/tags/{tag}" for tag in tags]
    tip, name = branch.tip, f"refs/heads/{branch.name}"
    try:
        git.run("push", remote, f"{tip}:{name}", *names)
    except NoAnswer as error:
        wanted = {f"{tip}\t{name}"}
        wanted |= set(git.lines("for-each-ref", "--format=%(objectname)%09%(refname)", *names)) if names else set()
        return None if wanted <= _refs_of(git, remote) else error
    except SetupError as error:
        return error
    return None


def _refs_of(git: Git, remote: str) -> set[str]:
    """What a remote has, as it says; a hook of its own may be silent when all has come. Nothing where it is gone."""
    try:
        return set(git.lines("ls-remote", remote))
    except SetupError:
        return set()


def clash_in(told: str, remote: str) -> str | None:
    """In words, where git says that it fetched or pushed all but tags which have another meaning here."""
    refused = [_CLASH.match(line) for line in _REFUSED.findall(told)]
    tags = sorted({clash[1] for clash in refused if clash})
    if not tags or None in refused:
        return None
    return (
        f"{remote} means something else by {listing(tags)} than this machine, as after two releases at once. What is "
        f"here stays; `git tag -d {tags[0]}` takes that of {remote} at the next fetch."
    )
