"""The benchmarks' own modules are imported as their scripts import them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"

sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder with the archives of real data."""
    if not DATA.is_dir():
        pytest.skip("the archives of real data are not there: ../shared/data")
    return DATA


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Where they are unpacked."""
    return tmp_path_factory.mktemp("real") / "data"


@pytest.fixture(scope="session")
def prepared(archives, cache):
    """Prepare the data of a module of `realdata` where no test has; gives their folder."""

    def prepare(module):
        folder = cache / module.__name__.rpartition(".")[2]
        if not any(path.suffix in (".csv", ".jsonl") for path in folder.glob("*")):
            module.prepare(archives, cache)
        return folder

    return prepare
