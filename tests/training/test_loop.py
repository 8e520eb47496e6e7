"""What the loop does besides resuming."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mmcore.errors import ConfigError, DataError, TrainingError
from mmcore.training.curves import write_curves
from mmcore.training.optimizer import build_optimizer, decayed, depths_of, lr_at
from mmcore.training.parts import value_of
from mmcore.training.settings import TrainingSettings
from tests.training import toy


def test_the_best_epoch_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.1, 0.9, 0.2, 0.3])
    seen = list[dict[str, torch.Tensor]]()

    def validate(model: Any) -> dict[str, float]:
        seen.append(toy.weights(model))
        return {"answer/accuracy": next(scores)}

    monkeypatch.setattr(toy, "validate", validate)
    model, curves = toy.run(tmp_path, toy.settings())
    assert len(curves) == 4
    assert all(torch.equal(seen[1][name], tensor) for name, tensor in toy.weights(model).items())


def test_training_stops_when_patience_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.6, 0.6, 0.1, 0.9])
    monkeypatch.setattr(toy, "validate", lambda model: {"answer/accuracy": next(scores)})
    _, curves = toy.run(tmp_path, toy.settings(epochs=5, patience=2))
    assert len(curves) == 4  # the third and the fourth were no better than the second


def test_patience_looks_at_the_score_where_the_last_epoch_is_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, seen = iter([0.5, 0.4, 0.3, 0.9]), list[dict[str, torch.Tensor]]()

    def validate(model: Any) -> dict[str, float]:
        seen.append(toy.weights(model))
        return {"answer/accuracy": next(scores)}

    monkeypatch.setattr(toy, "validate", validate)
    model, curves = toy.run(tmp_path, toy.settings(keep="last", patience=2))

    assert len(curves) == 3
    assert capsys.readouterr().err.count("best so far") == 1
    assert all(torch.equal(seen[2][name], tensor) for name, tensor in toy.weights(model).items())


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is nan.*Lower training.lr"):
        toy.run(tmp_path, toy.settings(lr=1e30, warmup=0.0, clip_norm=None, checkpoint_every_s=1e9))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_weights_that_are_not_finite_after_the_last_step_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    monkeypatch.setattr(toy, "BATCHES", 1)
    with pytest.raises(TrainingError, match=r"of the weights are not finite in epoch 1.*words.*Lower training.lr"):
        toy.run(tmp_path, toy.settings(epochs=1, lr=1e38, warmup=0.0, clip_norm=None, keep=keep))
    assert not list(tmp_path.iterdir()), "no checkpoint holds them"


def test_a_monitor_that_no_task_gives_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"answer/acuracy.*There are: answer/accuracy"):
        toy.run(tmp_path, toy.settings(epochs=1, monitor="answer/acuracy"))


def test_a_monitor_that_is_no_number_on_the_validation_rows_is_told_and_may_be_where_it_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "validate", lambda model: {"answer/accuracy": float("nan")})
    with pytest.raises(DataError, match=r"no number on the validation rows.*training.keep to last"):
        toy.run(tmp_path / "best", toy.settings(epochs=2))
    with pytest.raises(DataError, match="no number on the validation rows"):
        toy.run(tmp_path / "patient", toy.settings(epochs=2, keep="last", patience=1))
    _, curves = toy.run(tmp_path / "last", toy.settings(epochs=2, keep="last"))
    assert len(curves) == 2


def test_the_learning_rate_rises_and_falls_by_the_step_alone() -> None:
    settings = TrainingSettings(monitor="a/b", lr=1.0, warmup=0.1)
    rates = [lr_at(step, 100, settings) for step in range(100)]
    assert rates[:10] == [pytest.approx((step + 1) / 10) for step in range(10)]
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_factors_take_the_longest_start() -> None:
    factors = {"encoders": 0.5, "encoders.image": 0.1}
    assert value_of("encoders.image.stem", factors, 1.0) == 0.1
    assert value_of("encoders.text.words", factors, 1.0) == 0.5
    assert value_of("fusion.out", factors, 1.0) == 1.0


def test_a_part_is_no_part_of_another_whose_name_goes_on() -> None:
    factors = {"encoders.image": 0.5, "encoders.image.stages.1": 0.1}
    assert value_of("encoders.image.stages.1.weight", factors, 1.0) == 0.1
    assert value_of("encoders.image.stages.11.weight", factors, 1.0) == 0.5
    assert value_of("encoders.image_b.stages.1.weight", factors, 1.0) == 1.0


def test_layer_decay_falls_from_the_last_stage_to_what_lies_before_the_first() -> None:
    names = ["encoders.a.table.weight", *(f"encoders.a.stages.{n}.w" for n in range(3)), "fusion.w"]
    found = [decayed(name, {"encoders.a": 0.5}, depths_of(names)) for name in names]
    assert found == [0.125, 0.25, 0.5, 1.0, 1.0]


def test_biases_do_not_decay_and_unknown_parts_are_told() -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    groups = build_optimizer(model, TrainingSettings(monitor="a/b", weight_decay=0.1)).param_groups
    assert {group["weight_decay"] for group in groups if group["params"][0].ndim == 1} == {0.0}
    with pytest.raises(ConfigError, match=r"'1\.weight'.*Parts: 0\.bias, 0\.weight"):
        build_optimizer(model, TrainingSettings(monitor="a/b", lr_of={"1.weight": 0.1}))


class Spared(nn.Module):
    """Parameters of every kind, one of which it wants spared, as models of timm do."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token, self.table = nn.Parameter(torch.zeros(1, 1, 4)), nn.Parameter(torch.zeros(1, 5, 4))
        self.gain, self.bias = nn.Parameter(torch.zeros(3, 1, 1, 1)), nn.Parameter(torch.zeros(2, 4))
        self.scale, self.latents = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(2, 4))
        self.places = nn.ParameterList([nn.Parameter(torch.zeros(3, 4))])
        self.head, self.kernel = nn.Linear(4, 1), nn.Conv1d(1, 1, 3)

    def no_weight_decay(self) -> set[str]:
        return {"table", "places.*"}


def test_matrices_and_kernels_decay_and_vectors_and_what_a_module_wants_spared_do_not() -> None:
    model = nn.ModuleDict({"inner": Spared(), "table": nn.Linear(2, 3)})
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optimizer(model, TrainingSettings(monitor="a/b", weight_decay=0.1)).param_groups
    decaying = {names[id(parameter)] for group in groups if group["weight_decay"] for parameter in group["params"]}
    assert decaying == {"inner.latents", "inner.head.weight", "inner.kernel.weight", "table.weight"}


def test_one_batch_can_be_learned_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "batches", lambda epoch, start: iter([toy.toy_batch(8)] * (toy.BATCHES - start)))
    _, curves = toy.run(tmp_path, toy.settings(epochs=12, lr=0.05, warmup=0.0, checkpoint_every_s=1e9))
    assert curves[-1]["loss"] < 0.1 < curves[0]["loss"]


def test_curves_are_a_table_with_whole_epochs(tmp_path: Path) -> None:
    row = {"epoch": 1.0, "step": 3.0, "lr": 0.1, "loss": math.pi, "a/b": 0.5}
    write_curves(tmp_path / "plots" / "learning.csv", [row])
    assert (tmp_path / "plots" / "learning.csv").read_text() == f"epoch,step,lr,loss,a/b\n1,3,0.1,{math.pi},0.5\n"


@pytest.mark.slow  # the compiler: a C++ program for each part of each shape
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_training_learns_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "BATCHES", 4)
    _, plain = toy.run(tmp_path / "plain", toy.settings(epochs=1, checkpoint_every_s=1e9))
    _, compiled = toy.run(tmp_path / "compiled", toy.settings(epochs=1, checkpoint_every_s=1e9, compile="on"))
    assert compiled[0]["loss"] == pytest.approx(plain[0]["loss"], rel=1e-2)
