"""What is told of a plugin from its text."""

import sys

import pytest

from mmcore.registry.reading import constant_of
from tests.packages import NOT_TO_BE_IMPORTED, found_in, write_package


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """The rows of one package with the plugin `it`, listed without importing what looks whole."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, **modules):
        write_package(tmp_path, name, plugins={"encoder": {"it": "it:It"}}, modules=modules)
        return found_in(tmp_path).encoder.rows(load=False)

    return write


def test_a_plugin_that_looks_whole_is_not_imported(rows):
    text = f"import json\nfrom look_whole.beside import X\nclass It(X): ...\n{NOT_TO_BE_IMPORTED}"
    (row,) = rows("look-whole", it=text, beside="class X: ...\n")
    assert row.error is None
    assert "look_whole" not in sys.modules


@pytest.mark.parametrize(
    ("name", "modules", "told"),
    [
        ("look-library", {"it": "import no_such_library\nclass It: ...\n"}, "No module named 'no_such_library'"),
        ("look-below", {"it": "from look_below.a import A\nclass It: ...\n", "a": "import nowhere.at"}, "nowhere"),
        ("look-near", {"it": "from .b import B\nclass It: ...\n", "b": "import nowhere.at"}, "nowhere"),
        ("look-beside", {"it": "from . import b\nclass It: ...\n", "b": "import nowhere.at"}, "nowhere"),
        ("look-name", {"it": "from look_name import b\nclass It: ...\n", "b": "import nowhere.at"}, "nowhere"),
        ("look-lost", {"it": "from .gone import B\nclass It: ...\n"}, "look_lost.gone"),
        ("look-past", {"it": "from ...other import B\nclass It: ...\n"}, "relative import"),
        ("look-class", {"it": "class Other: ...\n"}, "has no attribute 'It'"),
        ("look-syntax", {"it": "class It(:\n"}, "SyntaxError"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_in_the_words_of_the_import(rows, name, modules, told):
    (row,) = rows(name, **modules)
    assert told in (row.error or "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("look-try", "try:\n    import no_such_library\nexcept ImportError:\n    pass\nclass It: ...\n"),
        ("look-assigned", "def make(): ...\nIt = type('It', (), {})\n"),
        ("look-if", "if True:\n    class It: ...\nelse:\n    import no_such_library\n"),
        ("look-late", "class It:\n    def f(self):\n        import no_such_library\n"),
        ("look-own", "from . import __name__ as name\nfrom .it import __doc__\nclass It: ...\n"),
        ("look-made", "globals()['It'] = type('It', (), {})\n"),  # cannot be told: it is imported, and works
    ],
)  # fmt: skip
def test_what_works_is_never_called_broken(rows, name, text):
    (row,) = rows(name, it=text)
    assert row.error is None


OURS = "from mmcore.interfaces.encoder import Encoder\n"
LATE = OURS + "LATE = True\nclass A(Encoder):\n    consumes = 'text'\nclass It(A):\n"


@pytest.mark.parametrize(
    ("name", "modules", "told"),
    [
        ("tell-own", {"it": OURS + "class It(Encoder):\n    consumes = 'text'\n"}, (True, "text")),
        ("tell-typed", {"it": OURS + "class It(Encoder):\n    consumes: str = 'text'\n"}, (True, "text")),
        ("tell-base", {"it": OURS + "class A(Encoder):\n    consumes = 'a'\nclass It(A): ...\n"}, (True, "a")),
        ("tell-far", {"it": "from .b import B as It\n", "b": "class B:\n    consumes = 'b'\n"}, (True, "b")),
        ("tell-none", {"it": OURS + "class It(Encoder): ...\n"}, (True, None)),
        ("tell-made", {"it": "class It:\n    consumes = 'te' + 'xt'\n"}, (False, None)),
        ("tell-if", {"it": LATE + "    if LATE:\n        consumes = 'poem'\n"}, (False, None)),
        ("tell-for", {"it": LATE + "    for consumes in ('poem',): ...\n"}, (False, None)),
        ("tell-twice", {"it": LATE + "    consumes = 'a'\n    consumes = 'poem'\n"}, (False, None)),
        ("tell-more", {"it": LATE + "    consumes, other = 'poem', 'a'\n"}, (False, None)),
        ("tell-called", {"it": LATE + "    @property\n    def consumes(self): ...\n"}, (False, None)),
        ("tell-late", {"it": LATE + "    other = 1\nIt.consumes = 'poem'\n"}, (False, None)),
        ("tell-self", {"it": LATE + "    def __init__(self):\n        self.consumes = 'poem'\n"}, (False, None)),
        ("tell-there", {"it": "from .b import It\nIt.consumes = 'poem'\n", "b": LATE + "    b = 1\n"}, (False, None)),
        ("tell-again", {"it": LATE + "    other = 1\nif LATE:\n    class It: ...\n"}, (False, None)),
        ("tell-beside", {"it": LATE + "    if LATE:\n        other = 1\n"}, (True, "text")),
        ("tell-asked", {"it": LATE + "    other = 1\nprint(It.consumes)\n"}, (True, "text")),
        ("tell-strange", {"it": "import torch\nclass It(torch.nn.Module): ...\n"}, (False, None)),
        ("tell-decorated", {"it": "def named(it): ...\n@named\nclass It: ...\n"}, (False, None)),
        ("tell-assigned", {"it": "It = type('It', (), {'consumes': 'text'})\n"}, (False, None)),
        ("tell-broken", {"it": "class It(:\n"}, (False, None)),
        ("tell-circle", {"it": "from .b import It\n", "b": "from .it import It\n"}, (False, None)),
    ],
)  # fmt: skip
def test_what_a_class_says_is_read_where_it_is_certain(tmp_path, monkeypatch, name, modules, told):
    monkeypatch.syspath_prepend(tmp_path)
    write_package(tmp_path, name, plugins={"encoder": {"it": "it:It"}}, modules=modules)
    assert constant_of(found_in(tmp_path).encoder.point("it"), "consumes") == told
    assert name.replace("-", "_") not in sys.modules
