"""Checkpoints: written whole or not at all, read by the training that wrote them."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from mmcore.errors import ArtifactError, TrainingError
from mmcore.model.weights import load_tensors, save_tensors


class Checkpoints:
    """A folder for one training, named by the fingerprint of all that decides its result."""

    def __init__(self, folder: Path) -> None:
        """folder: made when the first checkpoint is written."""
        self.folder = folder

    def save(self, step: int, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        """Write one checkpoint and drop the one before; a process killed meanwhile leaves the one before.

        step: the same for one inside an epoch and for that at its end, which `position` tells apart by its `epoch`.
        Raises TrainingError where it cannot be written (a full disk); the one before stays then too.
        """
        fresh = self.folder / f"unfinished-{os.getpid()}"
        # Never over another one: a folder cannot be exchanged for another at once.
        target = self.folder / f"step-{step:010d}-epoch-{position['epoch']:06d}"
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            save_tensors(tensors, fresh / "state.safetensors")
            (fresh / "position.json").write_text(json.dumps(position), encoding="utf-8")
            for path in (*fresh.iterdir(), fresh):
                _flush(path)
            shutil.rmtree(target, ignore_errors=True)  # there only where it was damaged
            fresh.rename(target)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            kept = self._found()
            stays = f"The one of step {_step(kept[-1])} stays" if kept else "There is none before it"
            raise TrainingError(
                f"the checkpoint of step {step} cannot be written to {self.folder} ({error}). {stays}. "
                "Make room ('mm doctor' shows the disk), then start again: the training goes on from there."
            ) from error
        for old in self._found()[:-1]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest checkpoint that can be read, or None; what killed processes left half written is removed."""
        for left in self.folder.glob("unfinished-*"):
            if not _lives(int(left.name.removeprefix("unfinished-"))):
                shutil.rmtree(left, ignore_errors=True)
        for folder in reversed(self._found()):
            try:
                position: dict[str, Any] = json.loads((folder / "position.json").read_text(encoding="utf-8"))
                return load_tensors(folder / "state.safetensors"), position
            except (OSError, ValueError, ArtifactError):
                continue  # damaged after it was written; an older one, or the start, gives the same result later
        return None

    def clear(self) -> None:
        """Forget everything: the training has ended and its model is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))


def _step(folder: Path) -> int:
    return int(folder.name.split("-")[1])


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _flush(path: Path) -> None:
    """Bytes on the disk before the rename says that they are there."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
