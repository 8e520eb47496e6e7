"""A prepared project for each test that wants one, copied from one that is made once."""

import shutil

import pytest

from tests.search.project import Project, made


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory):
    return made(tmp_path_factory.mktemp("numbers"))


@pytest.fixture
def project(_prepared, tmp_path, monkeypatch):
    root = tmp_path / "project"
    shutil.copytree(_prepared.root, root)
    monkeypatch.chdir(root)
    return Project(root)
