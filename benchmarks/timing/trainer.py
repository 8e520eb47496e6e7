"""The training loop beside the Lightning Trainer: the same model, batches, optimizer, schedule and clipping.

Both as a user has them: a bar, a checkpoint at the end of the epoch, and a log.
"""

import contextlib
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.utils.data import DataLoader

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare
from mmcore.training.optimizer import build_optimizer, lr_at
from mmcore.training.settings import TrainingSettings
from timing.elsewhere import BESIDE, lacks
from timing.pairs import not_measured, row
from timing.training import CASES, steps

GOAL = 1.0


def trainer_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Steps of about 10 ms, and of about 1."""
    what = "training loop, a step of {}, beside the Lightning Trainer"
    if why := lacks("lightning"):
        return [not_measured(what.format(f"{case.ms:g} ms"), goal=GOAL, why=why) for case in CASES]
    sys.path.append(str(BESIDE))
    torch.set_num_threads(1)
    found = list[dict[str, Any]]()
    for case in CASES:
        with _as_in_a_terminal():
            mine, reference = steps(case, theirs, turns=2 if quick else 9, quick=quick)
        found.append(row(what.format(f"{case.ms:g} ms"), mine, reference, goal=GOAL, unit="ms"))
    return found


def theirs(model: MultimodalModel, readers: dict[str, Modality], fed: list[Batch], settings: TrainingSettings) -> float:
    """Seconds from the end of the first step to the end of the last, by the Lightning Trainer."""
    import lightning
    from lightning.pytorch.loggers import CSVLogger

    ends = list[float]()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.generator = model, torch.Generator()

        def training_step(self, batch: Batch, _: int) -> torch.Tensor:
            ready = prepare(batch, readers, augment=self.generator)
            loss = self.model.each_task()["answer"].loss(self.model(ready)["answer"], ready)["cross_entropy"]
            self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch.row))
            return loss

        def configure_optimizers(self) -> dict[str, Any]:
            optimizer = build_optimizer(self.model, settings)
            peak = settings.lr
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: lr_at(n, len(fed), settings) / peak)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
            return batch

        def on_train_batch_end(self, *_: Any) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=1, gradient_clip_val=settings.clip_norm, default_root_dir=folder,
            logger=CSVLogger(folder), enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Module(), DataLoader(fed, batch_size=None))
    return ends[-1] - ends[0]


@contextlib.contextmanager
def _as_in_a_terminal() -> Iterator[None]:
    """Both draw their bars, for nobody to see."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with (
        open(os.devnull, "w") as nowhere,
        mock.patch.dict(os.environ, {"FORCE_COLOR": "1"}),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(action="ignore"),
    ):
        yield
