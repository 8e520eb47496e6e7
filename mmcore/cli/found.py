"""Which folder a model on the command line is: a path, or a release by its pointer or number."""

from pathlib import Path

from mmcore.config.params import Params, read_yaml
from mmcore.errors import ArtifactError, SetupError
from mmcore.releases.fetch import fetch, named
from mmcore.releases.git import Git
from mmcore.releases.settings import ReleaseSettings


def model_folder(word: str | Path) -> Path:
    """`artifacts/model`, `prod`, `v1.2.0`. Raises ConfigError where it is neither, with what there is."""
    folder = Path(word)
    if folder.exists() or len(folder.parts) != 1:
        return folder
    git = Git(Path())
    try:
        git.run("rev-parse", "--git-dir")
    except SetupError as error:  # also one of somebody else, which git does not trust: it says what to do
        raise ArtifactError(
            f"{word} is no model folder, and here is no git repository with releases: {error}"
        ) from error
    name = _artifact()
    try:
        return fetch(git, named(git, str(word), name=name), name=name)
    except SetupError as error:
        raise SetupError(f"The release {word} cannot be had: {error}") from error


def _artifact() -> str:
    """What releases are called here: `release.name` of params.yaml, as whoever makes them reads it."""
    file = Path("params.yaml")
    values = read_yaml(file) if file.exists() else {}
    settings = Params(values, ["release"]).get("release", ReleaseSettings) if "release" in values else ReleaseSettings()
    return settings.name
