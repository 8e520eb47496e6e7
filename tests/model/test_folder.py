"""The model folder: what it holds is enough."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from mmcore.errors import SetupError
from mmcore.model.assemble import assemble
from mmcore.model.folder import load_model, save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import GROUPS, Plugins
from mmcore.registry.settings import Part
from mmcore.testing.toys.encoders import MLP
from mmcore.testing.toys.kit import toy_entry_points, toy_modalities


class FromZoo(MLP):
    """Its width is written in a file."""

    def __init__(self, facts, *, zoo: str, width: int | None = None) -> None:
        if width is None and not Path(zoo).is_file():
            raise SetupError(f"there is no {zoo}")
        super().__init__(facts, width=width or int(Path(zoo).read_text()))

    def rebuilt_with(self):
        return {"width": self.widths[0]}


def plugins() -> Plugins:
    """The toys and one that takes its architecture from elsewhere."""
    own = EntryPoint("from_zoo", f"{__name__}:FromZoo", GROUPS["encoder"])
    return Plugins.of(lambda group: [*toy_entry_points(group), *([own] if group == own.group else [])])


def test_a_saved_model_holds_the_architecture_that_a_name_stood_for(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.write_text("5")
    modalities = {name: found for name, found in toy_modalities().items() if name != "sequence"}
    plan = ModelPlan(
        modalities={"vector": Part("vector", {}), "label": Part("label", {})},
        encoders={"vector": EncoderPlan(Part("from_zoo", {"zoo": str(zoo)}))},
        fusion=Part("toy_concat", {}),
        tasks={"label": Part("toy_classification", {"target": "label"})},
    )
    model = assemble(plan, modalities, seed=0, plugins=plugins())
    save_model(
        tmp_path / "model", model, plan=plan, modalities=modalities, columns={"vector": "v", "label": "l"},
        plugins=plugins(),
    )  # fmt: skip
    zoo.unlink()

    saved = load_model(tmp_path / "model", plugins=plugins())

    assert saved.plan.encoders["vector"].part.settings == {"zoo": str(zoo), "width": 5}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, saved.model.state_dict()[name])
    with pytest.raises(SetupError):
        assemble(plan, modalities, seed=0, plugins=plugins())
