"""What a stage wrote, as the stages after it read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmcore.data.parquet import read_parquet
from mmcore.errors import ArtifactError


def read_output(path: Path, stage: str) -> Any:
    """The content of a JSON file that `mm stage STAGE` writes.

    stage: with its options, where there are any. Raises ArtifactError that names both where the file is not there or
    is damaged.
    """
    return _read(path, stage, lambda file: json.loads(file.read_text(encoding="utf-8")))


def read_rows(path: Path, stage: str) -> Any:
    """pyarrow.Table of a Parquet file that `mm stage STAGE` writes. Raises ArtifactError, as `read_output` does."""
    return _read(path, stage, read_parquet)


def _read(path: Path, stage: str, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is not there. Run `dvc repro`, or `mm stage {stage}`, which writes it.") from error
    except (ValueError, OSError) as error:  # pyarrow's errors are of these two
        raise ArtifactError(f"{path} cannot be read: {error}. Run `mm stage {stage}` again.") from error
