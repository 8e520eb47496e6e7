"""What the model does with absent fields, and that a saved model is the same model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmcore.errors import ArtifactError, BuildError
from mmcore.model.assemble import assemble
from mmcore.model.folder import load_model, save_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.settings import ModelSettings
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
)


def build(plan: ModelPlan = PLAN, seed: int = 0) -> MultimodalModel:
    return assemble(plan, toy_modalities(), seed=seed, plugins=toy_plugins())


def logits(model: MultimodalModel, **absent: list[int]) -> torch.Tensor:
    return model(toy_batch(6, absent=absent))["answer"]["logits"]


def test_the_order_of_fields_does_not_change_the_model() -> None:
    turned = replace(PLAN, encoders=dict(reversed(PLAN.encoders.items())))
    one, other = build().state_dict(), build(turned).state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_field_does_not_change_the_start_of_this_one() -> None:
    alone = replace(PLAN, encoders={"vector": PLAN.encoders["vector"]})
    one, other = build().encoders["vector"].state_dict(), build(alone).encoders["vector"].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("blank", [True, False])
def test_everything_absent_is_finite_and_neighbours_are_untouched(blank: bool) -> None:
    model = build(replace(PLAN, settings=ModelSettings(blank=blank))).eval()
    whole, lacking = logits(model), logits(model, vector=[1], sequence=[1, 2])
    assert lacking.isfinite().all()
    torch.testing.assert_close(lacking[[0, 3, 4, 5]], whole[[0, 3, 4, 5]])
    assert not torch.allclose(lacking[1], whole[1])


def test_the_filler_of_an_absent_field_has_no_effect() -> None:
    model, batch = build().eval(), toy_batch(4, absent={"vector": [2]})
    field = batch.fields["vector"]
    junk = field.values.clone()
    junk[2] = 1e4
    torch.testing.assert_close(
        model(batch)["answer"]["logits"],
        model(batch.with_fields({"vector": field.with_values(junk)}))["answer"]["logits"],
    )


def test_modality_dropout_never_takes_the_last_field() -> None:
    model = build(replace(PLAN, settings=ModelSettings(modality_dropout=0.9))).train()
    for _ in range(20):
        kept = model._presence(toy_batch(16, absent={"vector": [0]}))
        both = torch.stack([field for field in kept.values() if field is not None])
        assert both.any(0).all()
        assert not kept["vector"][0]  # what is not there cannot be kept
    model.eval()
    assert set(model._presence(toy_batch(4)).values()) == {None}


def test_two_fields_share_an_encoder() -> None:
    plan = replace(
        PLAN,
        modalities={**PLAN.modalities, "left": Part("vector", {})},
        encoders={**PLAN.encoders, "left": EncoderPlan(Part("mlp", {}), like="vector")},
    )
    fields = {**toy_modalities(), "left": toy_modalities()["vector"]}
    model = assemble(plan, fields, seed=0, plugins=toy_plugins())
    assert sorted(model.encoders) == ["sequence", "vector"]
    assert model.encoder("left") is model.encoder("vector")


@pytest.mark.parametrize("name", ["type", "keys", "to", "items", "training", "forward"])
def test_a_field_and_a_task_may_have_any_name(name: str) -> None:
    plan = replace(
        PLAN,
        modalities={name: Part("vector", {}), "label": Part("label", {})},
        encoders={name: EncoderPlan(Part("mlp", {}))},
        tasks={name: Part("toy_classification", {"target": "label"})},
    )
    fields = {name: toy_modalities()["vector"], "label": toy_modalities()["label"]}
    model = assemble(plan, fields, seed=0, plugins=toy_plugins())
    batch = toy_batch(4)
    outputs = model(replace(batch, fields={name: batch.fields["vector"], "label": batch.fields["label"]}))
    assert outputs[name]["logits"].isfinite().all()
    assert f"encoders.{name}.first.weight" in model.state_dict()
    assert f"blanks.{name}" in model.state_dict()


def test_an_encoder_for_another_modality_is_refused() -> None:
    wrong = replace(PLAN, encoders={"vector": EncoderPlan(Part("causal_gru", {}))})
    with pytest.raises(BuildError, match=r"fields.vector: the encoder 'causal_gru' reads 'sequence'.*'vector'"):
        build(wrong)


def test_a_stream_that_no_one_writes_is_told() -> None:
    wrong = replace(PLAN, tasks={"answer": Part("toy_classification", {"target": "label", "stream": "jiont"})})
    with pytest.raises(BuildError, match=r"tasks.answer reads jiont.*writes only joint, sequence, vector"):
        build(wrong)


def save(folder: Path, model: MultimodalModel) -> None:
    columns = {name: name for name in PLAN.modalities}
    save_model(folder, model, plan=PLAN, modalities=toy_modalities(), columns=columns, plugins=toy_plugins())


def test_a_saved_model_is_the_same_model_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmcore.model.folder.packages_of", lambda plan, plugins: {})
    model = build(seed=3).eval()
    save(tmp_path / "one", model)
    save(tmp_path / "two", model)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert files
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    loaded = load_model(tmp_path / "one", plugins=toy_plugins())
    assert torch.equal(logits(loaded.model), logits(model))


def test_a_folder_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmcore.model.folder.packages_of", lambda plan, plugins: made_by)
    made_by = {"mmcore": "0.0.1"}
    save(tmp_path / "one", build())
    with pytest.raises(ArtifactError, match=r"made with mmcore 0.0.1, installed is"):
        load_model(tmp_path / "one", plugins=toy_plugins())
    made_by = {"mm-gone": "1.0"}
    save(tmp_path / "two", build())
    with pytest.raises(ArtifactError, match=r"made with mm-gone 1.0, which is not installed"):
        load_model(tmp_path / "two", plugins=toy_plugins())
    with pytest.raises(ArtifactError, match=r"is no model folder"):
        load_model(tmp_path, plugins=toy_plugins())
