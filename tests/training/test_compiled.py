"""What is compiled for a GPU: each stage is one graph, and few programs serve a training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from mmcore.errors import SetupError
from mmcore.interfaces.encoder import Stage
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import Cached, MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training import compiled as compiling
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.compiled import compiled, walked
from mmcore.training.loop import Data, Goal, train
from tests.training import toy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Of torch's own parts, which the compiler imports."""

MODALITIES = {
    "image": Part("image", {"size_px": 8}),
    "text": Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": 16}),
    "label": Part("category", {}),
}
CNN = Part("cnn", {"widths": [8], "strides": [1], "groups": 4, "stem_width": 8})
READER = Part("transformer", {"width": 16, "layers": 1, "heads": 2, "dropout": 0.1})
WRITER = Part("transformer", {**READER.settings, "causal": True})
ANSWER = {"answer": Part("classification", {"target": "label"})}
NEAR = {"near": Part("alignment", {"first": "image", "second": "text", "width": 8})}
WRITE = {"write": Part("generation", {"target": "text"})}

FUSIONS = {
    "align": {},
    "bottleneck": {"width": 8},
    "chain": {"first": Part("film", {"guide": "text"}), "second": Part("concat", {"width": 8})},
    "concat": {"width": 8},
    "convsum": {"width": 8},
    "cross": {"into": "text", "both_ways": True, "width": 16, "heads": 2},
    "film": {"guide": "text"},
    "gated": {"width": 8},
    "lowrank": {"width": 8},
    "perceiver": {"width": 8, "latents": 3, "layers": 1, "heads": 2},
    "prefix": {"into": "text", "connector": Part("mlp", {})},
    "similarity": {"second": "text", "width": 8},
    "sum": {"width": 8},
    "trunk": {"width": 8, "layers": 1, "heads": 2},
}
TASKS = {"align": NEAR, "prefix": WRITE}
SIX = ("one", "two", "six", "ten", "one", "two")
RAGGED = ("one", "three", "six", "seven", "one", "two")


@pytest.fixture(autouse=True)
def _as_if_nothing_was_compiled() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield
    torch._dynamo.reset()


def modalities() -> dict[str, Modality]:
    found = {name: installed().modality.build(part, where=name) for name, part in MODALITIES.items()}
    for name, cells in {"image": ["a.png"], "text": ["one two", "three"], "label": ["a", "b"]}.items():
        found[name].fit(cells, Path())
    return found


def batch(words: Sequence[str], *, gaps: bool = False, seed: int = 0) -> Batch:
    """A sample for each text; with gaps one has no picture and one no text."""
    readers, draw = modalities(), np.random.default_rng(seed)
    arrays = {
        "image": [draw.integers(0, 255, (8, 8, 3)).astype(np.uint8) for _ in words],
        "text": [readers["text"].read(word, Path()) for word in words],
        "label": [readers["label"].read("ab"[number % 2], Path()) for number in range(len(words))],
    }
    if gaps:
        arrays["image"][1] = arrays["text"][2] = None
    fields = {
        name: replace(readers[name].collate(cells), complete=all(cell is not None for cell in cells))
        for name, cells in arrays.items()
    }
    return Batch(fields, row=torch.arange(len(words)), group=torch.arange(len(words)))


def model(fusion: str) -> MultimodalModel:
    plan = ModelPlan(
        modalities=MODALITIES,
        encoders={"image": EncoderPlan(CNN), "text": EncoderPlan(WRITER if fusion == "prefix" else READER)},
        fusion=Part(fusion, FUSIONS[fusion]),
        tasks=TASKS.get(fusion, ANSWER),
        settings=type(toy.PLAN.settings)(modality_dropout=0.1 if fusion == "concat" else 0.0),
    )
    return assemble(plan, modalities(), seed=0, plugins=installed())


def trained(folder: Path, fed: Sequence[Batch], *, fusion: str = "concat", **settings) -> MultimodalModel:
    """A model after one epoch of these batches."""
    learns = model(fusion)
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    data = Data(lambda epoch, start: iter(fed[start:]), len(fed), modalities())
    chosen = toy.settings(**{"epochs": 1, "checkpoint_every_s": 1e9, "batch_size": len(SIX), **settings})
    train(learns, data, goal=Goal(None), settings=chosen, fabric=fabric, checkpoints=Checkpoints(folder), title="toy")
    return learns


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are found as for a GPU, and run as they are; a stage that is more than one raises, and says why."""
    monkeypatch.setattr(Stage, "compile", lambda stage: nn.Module.compile(stage, backend="eager", fullgraph=True))


def programs() -> int:
    return counters["stats"]["unique_graphs"]


def programs_of(folder: Path, fed: Sequence[Batch], *, fusion: str = "concat") -> int:
    """How many a training on these batches makes."""
    torch._dynamo.reset()
    counters.clear()
    trained(folder, fed, fusion=fusion, compile="on")
    assert programs()
    return programs()


def are_compiled(learns: MultimodalModel) -> list[bool]:
    return [stage._compiled_call_impl is not None for stage in walked(learns)]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "complete"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_stage_is_one_graph(tmp_path: Path, fusion: str, gaps: bool) -> None:
    assert programs_of(tmp_path, [batch(RAGGED, gaps=True) if gaps else batch(SIX)], fusion=fusion)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("settings", [{"modulate": 0.5}, {"chunk": 4}], ids=str)
def test_traced_stages_compute_what_is_written(tmp_path: Path, settings: dict) -> None:
    fed = [batch(SIX), batch(RAGGED, gaps=True, seed=1), batch(RAGGED[:4], seed=2)]
    plain = trained(tmp_path / "plain", fed, compile="off", **settings)
    assert not programs()
    traced = trained(tmp_path / "traced", fed, compile="on", **settings)
    assert programs()
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(traced.state_dict()[name], weight, rtol=0, atol=0)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("fusion", ["prefix", "align"])
def test_texts_of_any_length_share_two_programs(tmp_path: Path, fusion: str) -> None:
    fed = [batch((*RAGGED[:5], "o" * length)) for length in (7, 12, 9, 14, 8, 11, 10, 13, 6)]
    some = programs_of(tmp_path / "two", fed[:2], fusion=fusion)
    assert programs_of(tmp_path / "nine", fed, fusion=fusion) == some  # for the first length, and for all


@pytest.mark.usefixtures("quickly")
def test_layers_that_are_alike_share_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two, six = (Part("transformer", {**READER.settings, "layers": layers}) for layers in (2, 6))
    found = list[int]()
    for number, reader in enumerate((two, six)):
        monkeypatch.setattr("tests.training.test_compiled.READER", reader)
        found.append(programs_of(tmp_path / str(number), [batch(SIX)]))
    assert found[0] == found[1]


@pytest.mark.usefixtures("quickly")
def test_a_smaller_batch_makes_no_program(tmp_path: Path) -> None:
    usual = [batch(SIX)] * 2
    alone = programs_of(tmp_path / "alone", usual)
    assert programs_of(tmp_path / "between", [usual[0], batch(SIX[:4]), usual[1], batch(SIX[:3])]) == alone


@pytest.mark.usefixtures("quickly")
def test_a_shorter_chunk_makes_no_program(tmp_path: Path) -> None:
    def programs_in_chunks(of: int, name: str) -> int:
        counters.clear()
        trained(tmp_path / name, [batch(SIX)] * 2, compile="on", chunk=of)
        return programs()

    assert programs_in_chunks(4, "uneven") == programs_in_chunks(3, "even") > 0


@pytest.mark.usefixtures("quickly")
def test_a_training_makes_the_programs_that_it_makes_alone(tmp_path: Path) -> None:
    def of_five(name: str) -> int:
        counters.clear()
        trained(tmp_path / name, [batch(SIX[:5])] * 2, compile="on", batch_size=5)
        return programs()

    alone = of_five("alone")
    trained(tmp_path / "other", [batch(SIX)] * 2, compile="on")
    assert of_five("after another") == alone > 0


@pytest.mark.usefixtures("quickly")
def test_no_training_falls_back_to_uncompiled_steps(tmp_path: Path) -> None:
    fed = [batch(SIX), batch(RAGGED), batch(RAGGED, gaps=True)]
    with torch._dynamo.config.patch(recompile_limit=1):
        assert programs_of(tmp_path, fed, fusion="align") > 3  # raises where the limit is met


@pytest.mark.parametrize(("large", "steps"), [(1, 0), (10**9, compiling.LONG)])
def test_auto_compiles_on_a_gpu_what_is_large_or_long(large: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LARGE", large)
    monkeypatch.setattr(compiling, "lacks_compiler", lambda: None)
    learns = model("concat")
    for device, expected in (("cuda", True), ("cpu", False)):
        with compiled(learns, when="auto", device=torch.device(device), steps=steps) as said:
            assert set(are_compiled(learns)) == {expected}
            assert bool(said) == expected
        assert not any(are_compiled(learns))


def test_auto_compiles_nothing_that_is_small_and_short() -> None:
    learns = model("concat")
    with compiled(learns, when="auto", device=torch.device("cuda"), steps=compiling.LONG - 1):
        assert not any(are_compiled(learns))


def test_a_gpu_machine_without_a_compiler_trains_uncompiled_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LARGE", 1)
    monkeypatch.setattr(compiling, "lacks_compiler", lambda: "there is no C compiler: install gcc")
    learns, device = model("concat"), torch.device("cuda")
    with compiled(learns, when="auto", device=device, steps=1) as said:
        assert not any(are_compiled(learns))
        assert "uncompiled" in said
        assert "install gcc" in said
    refused = pytest.raises(SetupError, match="there is no C compiler")
    with refused, compiled(learns, when="on", device=device, steps=1):
        raise AssertionError("this is not reached")


def test_what_cached_features_stand_for_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LARGE", 1)
    learns = model("concat")
    learns.cached = {name: Cached() for name in learns.owners}
    with compiled(learns, when="auto", device=torch.device("cuda"), steps=1) as said:
        assert not said
        assert not list(walked(learns))


def test_recurrent_networks_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.training.test_compiled.READER", Part("rnn", {"width": 8, "embedding_width": 8}))
    learns = model("concat")
    with compiled(learns, when="on", device=torch.device("cpu"), steps=1):
        chosen = {type(stage).__name__: stage._compiled_call_impl is not None for stage in walked(learns)}
    assert chosen.pop("RecurrentStage") is False
    assert all(chosen.values())


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("when", ["on", "off"])
def test_who_waits_for_the_compiler_is_told_so(tmp_path: Path, when: str, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path, [batch(SIX)], compile=when)
    assert ("toy: compiling stages" in capsys.readouterr().err) == (when == "on")


@pytest.mark.usefixtures("quickly")
def test_validation_runs_as_it_is_written(tmp_path: Path) -> None:
    fed, learns = [batch(SIX)], model("concat")
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)

    made = list[int]()

    def validate(judged: MultimodalModel) -> dict[str, float]:
        made.append(programs())
        ready = {name: modality.prepare(fed[0].fields[name]) for name, modality in modalities().items()}
        judged(fed[0].with_fields(ready).pick(torch.arange(3)))
        made.append(programs())
        return {"a/b": 1.0}

    train(
        learns, Data(lambda epoch, start: iter(fed), 1, modalities()), goal=Goal(validate), title="toy", fabric=fabric,
        settings=toy.settings(epochs=1, monitor="a/b", compile="on", batch_size=len(SIX)),
        checkpoints=Checkpoints(tmp_path),
    )  # fmt: skip
    assert made[0] == made[1] > 0
