"""What may change without a stage running again, by this repository's own .dvcignore."""

import shutil
from contextlib import closing

import pytest

from flows.graph import Graph

SOURCE = "plugins/mm-fusion/mm_fusion/film.py"


@pytest.fixture
def trained(project, request):
    """A project whose only stage depends on the folder of plugins, run once."""
    shutil.copy(request.config.rootpath / ".dvcignore", project.root / ".dvcignore")
    project.write(SOURCE, "width = 1\n")
    project.stages(train={"cmd": "echo 1 > model", "deps": ["plugins"], "outs": ["model"]})
    project.reproduce()
    return project


def stale():
    with closing(Graph()) as graph:
        return graph.stale()


def test_source_makes_it_stale(trained):
    trained.write(SOURCE, "width = 2\n")
    assert stale() == ["train"]


def test_a_new_source_file_makes_it_stale(trained):
    trained.write("plugins/mm-fusion/mm_fusion/sum.py", "")
    assert stale() == ["train"]


@pytest.mark.parametrize(
    "path",
    [
        "plugins/mm-fusion/README.md",
        "plugins/mm-fusion/tests/test_film.py",
        "plugins/mm-fusion/mm_fusion/__pycache__/film.cpython-311.pyc",
        "plugins/mm-fusion/mm_fusion.egg-info/PKG-INFO",
        "plugins/mm-fusion/mm_fusion/conf/fusion/film.yaml",
        "plugins/mm-fusion/.pytest_cache/README",
    ],
)
def test_what_no_stage_reads_does_not(trained, path):
    trained.write(path, "new\n")
    assert stale() == []
