"""What a stage wrote as JSON, as the stages after it read it."""

import json
from pathlib import Path
from typing import Any

from mmcore.errors import ArtifactError


def read_output(path: Path, stage: str) -> Any:
    """The content of a file that `mm stage STAGE` writes.

    stage: with its options, where there are any. Raises ArtifactError that names both where the file is not there or
    is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is not there. Run `dvc repro`, or `mm stage {stage}`, which writes it.") from error
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}. Run `mm stage {stage}` again.") from error
