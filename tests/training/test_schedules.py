"""What learns when, what is kept, and who is slowed down."""

from pathlib import Path

import pytest
import torch

from mmcore.errors import ConfigError, Interrupted
from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from mmcore.training.averaging import fold_in
from mmcore.training.modulation import Probes, modulate
from mmcore.training.parts import Thawing, of_parts_there
from tests.training import toy


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_a_thawed_part_learns_from_its_epoch_on_and_no_sooner(tmp_path: Path) -> None:
    fresh = toy.weights(assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins()))
    chosen = {"thaw": {"encoders.sequence": 3}, "keep": "last"}
    short, _ = toy.run(tmp_path / "short", toy.settings(epochs=2, **chosen))
    whole, _ = toy.run(tmp_path / "whole", toy.settings(epochs=3, **chosen))
    asleep = {name for name in fresh if name.startswith("encoders.sequence")}
    assert asleep
    assert not moved(fresh, toy.weights(short)) & asleep
    assert asleep & moved(fresh, toy.weights(whole))
    assert moved(fresh, toy.weights(short))


def test_a_frozen_part_stops_learning_and_its_dropout_rests() -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins()).train()
    thawing = Thawing(model, thaw={}, freeze={"encoders.vector": 2})
    thawing.enter(0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    thawing.enter(1)
    assert not any(parameter.requires_grad for parameter in model.encoder("vector").parameters())
    assert not any(module.training for module in model.encoder("vector").modules())
    assert model.encoder("sequence").training


def test_a_part_that_learns_inside_one_that_rests_trains_as_a_whole() -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins()).train()
    inner = next(name for name, _ in model.named_parameters() if name.startswith("encoders.vector.stages."))
    part = ".".join(inner.split(".")[:4])

    Thawing(model, thaw={"encoders.vector": 3, part: 1}, freeze={}).enter(0)

    assert all(module.training for module in model.get_submodule(part).modules())
    assert not model.encoder("vector").training


def test_a_part_that_is_not_there_is_told() -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    with pytest.raises(ConfigError, match=r"training.thaw names 'encoders.picture'.*Parts: .*encoders.vector"):
        Thawing(model, thaw={"encoders.picture": 2}, freeze={})


def test_the_mean_is_that_of_the_last_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, real = list[dict[str, torch.Tensor]](), toy.validate
    monkeypatch.setattr(toy, "validate", lambda model: (ends.append(toy.weights(model)), real(model))[1])
    mean, _ = toy.run(tmp_path, toy.settings(epochs=4, keep="mean", mean_of=3, checkpoint_every_s=1e9))
    assert len(ends) == 4
    for name, value in toy.weights(mean).items():
        torch.testing.assert_close(value, torch.stack([end[name] for end in ends[1:]]).mean(0))


def test_the_mean_of_more_epochs_than_there_are_is_that_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, real = list[dict[str, torch.Tensor]](), toy.validate
    monkeypatch.setattr(toy, "validate", lambda model: (ends.append(toy.weights(model)), real(model))[1])
    mean, _ = toy.run(tmp_path, toy.settings(epochs=2, keep="mean", mean_of=3))
    for name, value in toy.weights(mean).items():
        torch.testing.assert_close(value, torch.stack([end[name] for end in ends]).mean(0))


def test_folding_in_gives_the_mean() -> None:
    states = [{"w": torch.tensor([float(n)]), "count": torch.tensor(n)} for n in (1, 2, 6)]
    mean = dict[str, torch.Tensor]()
    for number, state in enumerate(states, start=1):
        mean = fold_in(mean, state, number=number)
    assert float(mean["w"]) == pytest.approx(3.0)
    assert int(mean["count"]) == 6


def test_a_mean_needs_a_known_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep is mean"):
        toy.run(tmp_path, toy.settings(keep="mean", patience=2))


def probes_and_batch() -> tuple[Probes, Batch]:
    torch.manual_seed(0)
    return Probes({"fast": 4, "slow": 4}, target="label", classes=3, alpha=0.5), toy_batch(12, seed=0)


def test_the_field_that_is_ahead_is_slowed_and_the_other_is_not() -> None:
    probes, batch = probes_and_batch()
    sure = torch.nn.functional.one_hot(batch.fields["label"].values, 3) * 5.0
    probes.loss({"fast": sure, "slow": torch.zeros(12, 3)}, batch)
    factors = probes.factors()
    assert 0 < float(factors["fast"]) < 0.5
    assert float(factors["slow"]) == 1.0


def test_scores_start_anew_after_each_step() -> None:
    probes, batch = probes_and_batch()
    sure = torch.nn.functional.one_hot(batch.fields["label"].values, 3) * 5.0
    probes.loss({"fast": sure, "slow": torch.zeros(12, 3)}, batch)
    probes.factors()
    probes.loss({"fast": torch.zeros(12, 3), "slow": torch.zeros(12, 3)}, batch)
    assert float(probes.factors()["fast"]) == 1.0


def test_only_the_named_encoders_gradients_are_scaled() -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    modulate(model, {"vector": torch.tensor(0.25)})
    scaled = {n for n, p in model.named_parameters() if p.grad is not None and not bool((p.grad == 1).all())}
    assert scaled == {name for name, _ in model.named_parameters() if name.startswith("encoders.vector")}


def test_the_noise_is_as_strong_as_the_gradient_was_before_it_was_scaled() -> None:
    torch.manual_seed(0)
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    matrices = [parameter for parameter in model.encoder("vector").parameters() if parameter.ndim >= 2]
    before = [3 * torch.randn_like(parameter) for parameter in matrices]
    for parameter, gradient in zip(matrices, before, strict=True):
        parameter.grad = gradient.clone()
    modulate(model, {"vector": torch.tensor(0.1)})
    noise = [parameter.grad - 0.1 * gradient for parameter, gradient in zip(matrices, before, strict=True)]
    assert float(torch.cat([part.flatten() for part in noise]).std()) == pytest.approx(3, rel=0.2)


def test_a_modulated_training_learns_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    chosen = toy.settings(modulate=0.3, epochs=2, checkpoint_every_s=1e9)
    whole, _ = toy.run(tmp_path / "whole", chosen)
    steps = iter(range(1, 100))
    with pytest.raises(Interrupted):
        toy.run(tmp_path / "cut", chosen, stop=lambda: 2 if next(steps) == 5 else None)
    resumed, _ = toy.run(tmp_path / "cut", chosen)
    assert not moved(toy.weights(whole), toy.weights(resumed))
    plain, _ = toy.run(tmp_path / "plain", toy.settings(epochs=2, checkpoint_every_s=1e9))
    assert moved(toy.weights(whole), toy.weights(plain))
    assert not any(name.startswith("probes") for name in toy.weights(whole))


def test_a_smaller_model_is_trained_without_what_is_said_of_other_parts() -> None:
    model = assemble(toy.PLAN, toy_modalities(), seed=0, plugins=toy_plugins())
    given = toy.settings(lr_of={"encoders.vector": 0.1, "encoders.gone": 0.2}, thaw={"encoders.gone": 2}, modulate=0.1)
    found = of_parts_there(given, model)
    assert found.lr_of == {"encoders.vector": 0.1}
    assert (found.thaw, found.modulate, found.lr) == ({}, None, given.lr)
