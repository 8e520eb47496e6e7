"""Gradient caching: the gradients of the whole batch, chunk by chunk."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmcore.errors import ConfigError
from mmcore.interfaces.field import Batch
from mmcore.interfaces.task import Outputs
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.registry.plugins import Plugins, find_installed
from mmcore.runtime.fabric import launch
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from mmcore.testing.toys.kit import toy_entry_points
from mmcore.training.step import Carried, Stepper
from tests.training import several, toy


class Coupled:
    """A loss that ties every sample to every other, as contrastive losses do."""

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        vectors = outputs["logits"]
        alike = vectors @ vectors.T
        same = batch.fields["label"].values.unsqueeze(0) == batch.fields["label"].values.unsqueeze(1)
        return {"pull": torch.where(same, -alike, alike).logsumexp(1).mean()}


def gradients(chunk: int | None, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, dict[str, Tensor]]:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    model.settings = type(model.settings)(modality_dropout=0.0)
    monkeypatch.setattr(model.each_task()["answer"], "loss", Coupled().loss)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    stepper = Stepper(Carried(model), model, fabric, toy_modalities(), {}, torch.Generator(), chunk)
    loss = stepper.backward([toy_batch(23, seed=5)])
    return loss, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("chunk", [1, 7, 22])
def test_chunks_give_the_whole_batchs_gradients(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_loss, whole = gradients(None, monkeypatch)
    loss, found = gradients(chunk, monkeypatch)
    assert found.keys() == whole.keys()
    torch.testing.assert_close(loss, whole_loss)
    for name, expected in whole.items():
        torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("error", ["infonce", "siglip"])
def test_chunks_give_the_whole_batchs_gradients_for_pairs(error: str) -> None:
    """Scale and bias too, of which each row has the same."""
    plugins = Plugins.of(lambda group: [*toy_entry_points(group), *find_installed(group)])
    found = list[dict[str, Tensor]]()
    for chunk in (None, 5):
        model = assemble(several.aligned(error), toy_modalities(), seed=0, plugins=plugins)
        fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
        stepper = Stepper(Carried(model), model, fabric, toy_modalities(), {}, torch.Generator(), chunk)
        stepper.backward([toy_batch(23, seed=5)])
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    whole, chunked = found
    assert ("tasks.near.bias" in whole) == (error == "siglip")
    assert whole.keys() == chunked.keys()
    for name, expected in whole.items():
        torch.testing.assert_close(chunked[name], expected, rtol=1e-5, atol=1e-5, msg=name)


def test_the_coupled_loss_is_not_a_sum_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would not see if the loss did not tie samples together."""
    whole_loss, _ = gradients(None, monkeypatch)
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins()).eval()
    outputs, batch = model(toy_batch(23, seed=5))["answer"], toy_batch(23, seed=5)
    parts = [
        Coupled().loss({"logits": outputs["logits"][at : at + 7]}, batch.pick(torch.arange(23)[at : at + 7]))["pull"]
        for at in range(0, 23, 7)
    ]
    assert abs(float(torch.stack(parts).mean().detach()) - float(whole_loss)) > 0.1


def test_the_second_pass_draws_what_the_first_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[Tensor]()
    real = MultimodalModel.outputs

    def spy(model: MultimodalModel, streams: object) -> dict[str, Outputs]:
        outputs = real(model, streams)  # type: ignore[arg-type]
        seen.append(outputs["answer"]["logits"].detach().clone())
        return outputs

    monkeypatch.setattr(MultimodalModel, "outputs", spy)
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())  # has dropout and modality dropout
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    Stepper(Carried(model), model, fabric, toy_modalities(), {}, torch.Generator(), 4).backward([toy_batch(12, seed=5)])
    assert len(seen) == 6
    assert all(torch.equal(first, second) for first, second in zip(seen[:3], seen[3:], strict=True))
    assert not torch.equal(seen[0], seen[1])


def test_a_training_in_chunks_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole, _ = toy.run(tmp_path / "whole", toy.settings(chunk=3, epochs=2))
    steps = iter(range(1, 100))
    with pytest.raises(BaseException, match="signal 2"):
        toy.run(tmp_path / "cut", toy.settings(chunk=3, epochs=2), stop=lambda: 2 if next(steps) == 7 else None)
    resumed, _ = toy.run(tmp_path / "cut", toy.settings(chunk=3, epochs=2))
    assert all(torch.equal(value, toy.weights(resumed)[name]) for name, value in toy.weights(whole).items())


def test_batch_statistics_and_chunks_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    monkeypatch.setattr(type(model.encoder("vector")), "batch_statistics", True)
    with pytest.raises(ConfigError, match=r"training.chunk is 3, but the encoder of 'vector' looks at the whole batch"):
        toy.run(tmp_path, toy.settings(chunk=3))
