"""What `mm compare` prints."""

import pytest
from rich.cells import cell_len

from mmcore.cli import compare
from mmcore.evaluation.compare import Paired
from mmcore.stages.compare import Compared

NIL = Paired(0.875, 0.875, -0.0, low=-1e-17, high=0.01, deviation=0.1, groups=40)


@pytest.fixture
def printed(monkeypatch, capsys):
    """The lines for two models that are told apart by nothing but their names."""
    found = Compared(
        "情感/accuracy",
        scores={"情感/accuracy": NIL, "kind/f1": NIL},
        slices={"地区=北京市朝阳区": NIL, "地区=north": NIL},
        split="test", n=40, rows="", left_out={}, known=[], edited=[],
    )  # fmt: skip
    monkeypatch.setattr(compare, "load_params", lambda path, reads: None)
    monkeypatch.setattr(compare, "model_folder", lambda name: name)
    monkeypatch.setattr(compare.compare, "run", lambda *given, **named: found)
    compare.compare_models("模型甲", "model-b", as_json=False)
    return capsys.readouterr().out.splitlines()


def test_columns_stand_under_each_other_whatever_they_are_written_in(printed):
    first, second = printed[:3], printed[5:8]

    for table, cells in ((first, ("模型甲", "0.8750", "0.8750")), (second, ("模型甲", "0.8750", "0.8750"))):
        starts = [cell_len(line[: line.index(cell)]) for line, cell in zip(table, cells, strict=True)]
        assert len(set(starts)) == 1, "\n".join(table)


def test_no_gain_has_no_sign_of_a_loss(printed):
    assert "+0.0000" in printed[1]
    assert "-0.0000" not in "\n".join(printed)
