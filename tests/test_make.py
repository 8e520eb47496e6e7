"""What `make` says of searches and what it removes, in a folder of its own; nothing is set up."""

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


@pytest.fixture
def clone(tmp_path):
    shutil.copy(MAKEFILE, tmp_path)
    return tmp_path


def make(clone, *words):
    """-o install: as if it were set up already."""
    return subprocess.run(["make", "-o", "install", *words], cwd=clone, capture_output=True, text=True, check=False)


def write(file, text="x"):
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_a_search_that_is_not_there_is_told_with_those_that_are(clone):
    write(clone / ".mm/search/colours/journal.log")
    write(clone / ".mm/search/shapes/journal.log")

    ended = make(clone, "dashboard", "SEARCH=nope")

    assert ended.returncode
    for expected in ("There is no .mm/search/nope/journal.log", "colours", "shapes"):
        assert expected in ended.stderr
    assert "yet" not in ended.stderr


def test_without_any_search_the_dashboard_names_how_to_start_one(clone):
    ended = make(clone, "dashboard")

    assert ended.returncode
    assert "There is no search here yet. Start one: mm search" in ended.stderr


@pytest.mark.parametrize("name", ["__pycache__", "made.egg-info"])
def test_cleaning_leaves_folders_of_data_alone_whatever_they_are_called(clone, name):
    kept = [write(clone / place / "deep" / name / "a.png") for place in ("data", "artifacts", ".dvc")]
    gone = [write(clone / place / name / "a.pyc") for place in ("flows", "plugins/mm-x/data")]

    assert make(clone, "clean").returncode == 0

    assert all(file.exists() for file in kept)
    assert not any(file.parent.exists() for file in gone)
