"""A small model folder of toys."""

import pytest

from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.predictor import Predictor
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_modalities, toy_plugins

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
)
COLUMNS = {"vector": "numbers", "sequence": "words", "label": "truth"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """An untrained toy model as `train` writes one."""
    made, modalities = tmp_path_factory.mktemp("made") / "model", toy_modalities()
    model = assemble(PLAN, modalities, seed=0, plugins=toy_plugins())
    save_model(made, model, plan=PLAN, modalities=modalities, columns=COLUMNS, plugins=toy_plugins())
    return made


@pytest.fixture(scope="session")
def predictor(folder):
    return Predictor.load(folder, toy_plugins())


WRITING_PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_prefix", {}),
    tasks={
        "say": Part("toy_generation", {"target": "sequence"}),
        "near": Part("toy_alignment", {"first": "sequence", "second": "vector"}),
    },
)


@pytest.fixture(scope="session")
def writer(tmp_path_factory):
    """An untrained toy model that writes `sequence` from `vector`, and aligns both."""
    made = tmp_path_factory.mktemp("writer") / "model"
    modalities = {name: toy_modalities()[name] for name in WRITING_PLAN.modalities}
    model = assemble(WRITING_PLAN, modalities, seed=3, plugins=toy_plugins())
    columns = {"vector": "numbers", "sequence": "words"}
    save_model(made, model, plan=WRITING_PLAN, modalities=modalities, columns=columns, plugins=toy_plugins())
    return Predictor.load(made, toy_plugins())
