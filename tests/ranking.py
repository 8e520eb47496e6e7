"""A task that ties samples together and aligns no fields: which of two labels is the higher one."""

from importlib.metadata import EntryPoint

import torch
from torch import nn
from torch.nn import functional

from mmcore.interfaces.metric import Metric
from mmcore.interfaces.task import Task
from mmcore.registry.plugins import GROUPS


class Ranking(Task):
    """A number for each sample, higher where its target is."""

    coupled = True

    def __init__(self, writes, fields, *, targets: tuple[str, ...] = ("label",)) -> None:
        super().__init__(writes, fields)
        self.reads, self.targets = ("joint",), targets
        self.head = nn.Linear(writes["joint"], 1)

    def forward(self, streams):
        return {"value": self.head(streams["joint"].pool()).squeeze(1)}

    def loss(self, outputs, batch):
        target = batch.fields[self.targets[0]]
        pair = target.present & target.present.unsqueeze(1)
        higher = pair & (target.values > target.values.unsqueeze(1))
        each = functional.softplus(outputs["value"].unsqueeze(1) - outputs["value"])
        return {"ranking": each.where(higher, 0).sum() / higher.sum().clamp_min(1)}

    def predict(self, outputs):
        return {"value": outputs["value"].detach().numpy()}

    def truth(self, batch):
        return {"value": batch.fields[self.targets[0]].values.numpy()}

    def metrics(self):
        return {"spread": Spread()}


class Spread(Metric):
    """How far the mean of those with a high target lies above that of the others."""

    better = "up"

    def __call__(self, predictions, targets):
        high = torch.tensor(targets["value"] > targets["value"].mean())
        value = torch.tensor(predictions["value"])
        return float(value[high].mean() - value[~high].mean())


def ranking(group: str) -> list[EntryPoint]:
    """`ranking`, as if a package had registered it."""
    return [EntryPoint("ranking", f"{__name__}:Ranking", group)] if group == GROUPS["task"] else []
