"""What is told of a plugin from its text."""

import sys

import pytest

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
