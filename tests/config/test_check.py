import shutil
import sys

import pytest

from mmcore.config.check import check
from mmcore.errors import ConfigError
from tests.config.conftest import CONF, PLUGINS
from tests.packages import write_package

MODULES = {
    "rows": "class Table:\n    def __init__(self, *, path: str): ...\n",
    "image": "class Image:\n    def __init__(self, *, size_px: int = 64): ...\n",
    "text": "class Text:\n    def __init__(self, *, lowercase: bool = False): ...\n",
    "category": "class Category:\n    def __init__(self): ...\n",
    "cnn": """
class CNN:
    consumes = 'image'
    def __init__(self, facts, *, widths: tuple[int, ...], rate: float): ...
""",
    "rnn": """
from typing import Annotated
from mmcore.interfaces.settings import Range
class RNN:
    consumes = 'text'
    def __init__(self, facts, *, width: Annotated[int, Range(1, 512)] = 128): ...
""",
    "concat": "class Concat:\n    def __init__(self, ports, *, width: int): ...\n",
    "film": """
from typing import Annotated, Literal
from mmcore.interfaces.settings import FieldName
class FiLM:
    def __init__(self, ports, *, guide: Annotated[str, FieldName()] = 'x', pool: Literal['max', 'mean'] = 'max'): ...
""",
    "classification": """
class Classification:
    def __init__(self, writes, fields, *, target: str, hidden: int = 0): ...
""",
}

CONTRADICTION = """
    @classmethod
    def settings_fault(cls, settings):
        hidden, target = settings["hidden"], settings["target"]
        return f"hidden: {hidden} goes beyond target: {target}. Take a smaller one." if hidden else None
"""


@pytest.fixture
def working(project):
    """The project, with plugins that can be imported."""
    shutil.rmtree(project.site)
    write_package(project.site, "chk-parts", plugins=PLUGINS, conf=CONF, modules=MODULES)
    project.update()
    yield project
    for name in [name for name in sys.modules if name.startswith("chk_parts")]:
        del sys.modules[name]


def test_what_was_just_composed_is_in_order(working):
    found = check(working.root, plugins=working.plugins)

    assert found.faults == ()
    assert found.edits == {}


def test_composing_refuses_an_encoder_of_another_modality_and_writes_nothing(working):
    before = working.params.read_text()

    with pytest.raises(ConfigError, match=r"fields.image.encoder: 'rnn' reads 'text', but the field's modality is 'im"):
        working.update("fields.image.encoder=rnn")

    assert working.params.read_text() == before


def test_an_edit_by_hand_is_shown_and_is_no_fault(working):
    working.edit("training", "lr", value=0.5)
    found = check(working.root, plugins=working.plugins)

    assert found.edits == {"training.lr": (0.001, 0.5)}
    assert found.faults == ()


@pytest.mark.parametrize(
    ("steps", "value", "message"),
    [
        (("training", "epochs"), 0, "training.epochs must be between 1 and inf but got 0"),
        (("fields", "image", "encoder", "widths"), [8, "x"], "fields.image.encoder.widths[1] must be a whole number"),
        (
            ("fields", "text", "encoder", "width"),
            1024,
            "fields.text.encoder.width must be between 1 and 512 but got 1024",
        ),
        (("fields", "text", "encoder", "widht"), 8, "takes no 'widht'. Did you mean 'width'?"),
        (("fields", "text", "encoder"), {"name": "rnnn"}, "No plugin 'rnnn' in mmcore.encoders. Did you mean 'rnn'?"),
        (("fields", "image", "encoder"), {"name": "rnn"}, "'rnn' reads 'text', but the field's modality is 'image'"),
        (
            ("fusion", "guide"),
            "label",
            "fusion.guide names 'label', which is no field with an encoder. There is: image, text.",
        ),
        (("fusion", "pool"), "maxx", "fusion.pool must be one of max, mean but got 'maxx'. Did you mean 'max'?"),
        (
            ("tasks", "label", "target"),
            "lable",
            "tasks.label.target names 'lable', which is no field. Did you mean 'label'?",
        ),
        (("tasks", "label", "hiden"), 3, "takes no 'hiden'. Did you mean 'hidden'?"),
        (("tasks", "label", "weight"), "lots", "tasks.label.weight must be a number but got 'lots'"),
        (("tasks", "label", "weight"), float("nan"), "tasks.label.weight must be between 0 and 1e+09 but got nan"),
        (("training", "monitor"), "accuracy", "training.monitor must be TASK/METRIC"),
        (("verdict", "tolerances"), {"cross_entropy": 0.02}, "verdict.tolerances must name TASK/METRIC"),
        (("trainin",), {}, "'trainin' is no section. Did you mean 'training'?"),
    ],
)
def test_a_fault_is_told(working, steps, value, message):
    working.edit(*steps, value=value)
    faults = check(working.root, plugins=working.plugins).faults

    assert any(message in fault for fault in faults), faults


def test_settings_that_contradict_each_other_are_told_before_there_is_any_data(working):
    module = next(working.site.rglob("classification.py"))
    module.write_text(f"{module.read_text()}{CONTRADICTION}")
    assert check(working.root, plugins=working.plugins).faults == ()

    working.edit("tasks", "label", "hidden", value=3)

    faults = check(working.root, plugins=working.plugins).faults
    assert faults == ("tasks.label: hidden: 3 goes beyond target: label. Take a smaller one.",)


def test_an_encoder_reads_a_modality_that_passes_for_its_own(working):
    module = next((working.site).rglob("image.py"))
    module.write_text(module.read_text().replace("class Image:", "class Image:\n    passes_for = 'text'"))
    working.edit("fields", "image", "encoder", value={"name": "rnn", "width": 8})

    assert check(working.root, plugins=working.plugins).faults == ()


def test_all_faults_are_told_at_once(working):
    working.edit("fusion", "guide", value="label")
    working.edit("tasks", "label", "hidden", value="many")
    working.edit("training", "monitor", value="x/y")

    assert len(check(working.root, plugins=working.plugins).faults) == 3


def test_a_missing_section_is_told(working):
    values = working.read()
    del values["training"]
    working.params.write_text(str(values))

    assert any("no 'training'" in fault for fault in check(working.root, plugins=working.plugins).faults)


def test_a_plugin_that_does_not_import_is_a_fault(working):
    (working.site / "chk_parts" / "cnn.py").write_text("import no_such_library\n")

    assert any("does not import" in fault for fault in check(working.root, plugins=working.plugins).faults)


def test_without_a_file_it_is_said_what_to_do(project):
    with pytest.raises(ConfigError, match=r"There is no params.yaml here. Run `mm compose`"):
        check(project.root, plugins=project.plugins)


def test_what_follows_from_an_edit_by_hand_and_was_not_edited_with_it_is_a_fault(working):
    working.edit("repeats", "seeds", value=3)

    (fault, *_) = check(working.root, plugins=working.plugins).faults

    assert fault.startswith("repeats.runs")
    assert "is not what repeats.seeds" in fault
    assert "mm compose" in fault
