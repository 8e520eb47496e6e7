"""Whether the packages that a model was made with are those that are installed."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmcore.errors import ArtifactError


def check_versions(folder: Path, made_by: Mapping[str, str]) -> None:
    """Raises ArtifactError for a package that is not there, or in another series than the one by name in `made_by`.

    Before 1.0 a minor version may change what weights mean, after that only a major one.
    """
    for name, then in made_by.items():
        try:
            now = version(name)
        except PackageNotFoundError as error:
            raise ArtifactError(
                f"{folder} was made with {name} {then}, which is not installed. "
                f"Install it: pip install '{name}=={then}'."
            ) from error
        if _series(now) != _series(then):
            raise ArtifactError(
                f"{folder} was made with {name} {then}, installed is {now}. Install '{name}=={then}', or train again."
            )


def _series(text: str) -> tuple[str, ...]:
    parts = text.split(".")
    return tuple(parts[:2] if parts[0] == "0" else parts[:1])
