"""What every test needs: state of Prefect and DVC in a folder that goes when the session ends."""

import os
import shutil
import tempfile

import pytest

from tests.postgres import postgres
from tests.s3 import bucket
from tests.sharing import Sharing, in_order
from tests.silent import silent

__all__ = ["bucket", "postgres", "silent"]  # a fixture for every test

STATE = pytest.StashKey[str]()


def pytest_configure(config):
    # Before any test is imported: Prefect reads its settings then, and `flows` fills in what is not set.
    folder = tempfile.mkdtemp(prefix="mmcore-tests-")
    config.stash[STATE] = folder
    os.environ["PREFECT_HOME"] = os.path.join(folder, "prefect")
    os.environ["DVC_SITE_CACHE_DIR"] = os.path.join(folder, "dvc")
    os.environ["DVC_NO_ANALYTICS"] = os.environ["DO_NOT_TRACK"] = "1"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # containers set it: each process would compile all it imports
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes with threads for every core each are in their way


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[STATE], ignore_errors=True)


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # the most tests first, it would be; ours are in the right order
    return Sharing(config, log) if config.getoption("dist") == "loadscope" else None
