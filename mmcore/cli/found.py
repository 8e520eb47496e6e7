"""Which folder a model on the command line is: a path, or a release by its pointer or number."""

from pathlib import Path

from mmcore.errors import ArtifactError, SetupError
from mmcore.releases.fetch import fetch, named
from mmcore.releases.git import Git


def model_folder(word: str | Path) -> Path:
    """`artifacts/model`, `prod`, `v1.2.0`. Raises ConfigError where it is neither, with what there is."""
    folder = Path(word)
    if folder.exists() or len(folder.parts) != 1:
        return folder
    git = Git(Path())
    if git.ask("rev-parse", "--git-dir") is None:
        raise ArtifactError(f"{word} is no model folder, and here is no git repository with releases.")
    try:
        return fetch(git, named(git, str(word)))
    except SetupError as error:
        raise SetupError(f"The release {word} cannot be had: {error}") from error
