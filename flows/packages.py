"""Whether the plugins behind a model that is up to date are still installed: DVC runs no stage that would notice."""

from pathlib import Path

import yaml

from flows.releasing import digest_or_none
from flows.settings import packages_of
from mmcore.config.packages import check_packages
from mmcore.registry.plugins import installed
from mmcore.registry.versions import check_versions
from mmcore.releases.fetch import MODEL, unpacked
from mmcore.releases.git import Git
from mmcore.releases.tags import Version


def check_installed(root: Path, git: Git, champion: Version | None) -> None:
    """Nothing is imported, so that a night that brings nothing new stays quick.

    Raises ConfigError for what params.yaml records of packages from outside, ArtifactError for those that the new model
    was made with, or the one in use where it lies unpacked.
    """
    check_packages(packages_of(root), installed())
    digest = None if champion is None else digest_or_none(git, champion.commit)
    for folder in [root / MODEL, *([] if digest is None else [unpacked(root, digest)])]:
        try:
            about = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):  # not fetched, or of a project with another kind of model
            continue
        if isinstance(about, dict) and isinstance(about.get("packages"), dict):
            check_versions(folder.relative_to(root), about["packages"])
