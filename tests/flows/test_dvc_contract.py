"""The private names of DVC that `flows` builds on: an upgrade that moves one fails here, by name."""

import inspect
from importlib.metadata import version
from pathlib import Path

import pytest
from dvc.data_cloud import DataCloud
from dvc.dependency.db import AbstractDependency
from dvc.dependency.repo import RepoDependency
from dvc.env import DVC_ROOT, DVC_STAGE
from dvc.lock import Lock, LockError
from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.rwlock import rwlock
from dvc.stage import PipelineStage, Stage
from dvc.stage.cache import RunCacheNotFoundError, StageCache
from dvc.stage.decorators import rwlocked
from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_the_pinned_version_is_installed():
    assert version("dvc") == "3.67.1"


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (rwlock, ["tmp_dir", "fs", "cmd", "read", "write", "hardlink"]),
        (plan_repro, ["graph", "stages", "pipeline", "downstream"]),
        (get_active_graph, ["graph"]),
        (prepare_kwargs, ["stage", "run_env"]),
        (_make_cmd, ["executable", "cmd"]),
        (_enforce_cmd_list, ["cmd"]),
        (get_executable, []),
        (StageCache.__init__, ["self", "repo"]),
        (StageCache._create_stage, ["self", "cache", "wdir"]),
        (StageCache.restore, ["self", "stage", "run_cache", "pull", "dry"]),
        (DataCloud.pull, ["self", "objs", "jobs", "remote", "odb"]),
        (Stage.get_used_objs, ["self", "args", "kwargs"]),
        (Stage.changed, ["self", "allow_missing", "upstream"]),
        (Stage.remove_outs, ["self", "ignore_remove", "force"]),
        (Stage.save, ["self", "allow_missing", "run_cache"]),
        (Stage.save_deps, ["self", "allow_missing"]),
        (Stage.commit, ["self", "allow_missing", "filter_info", "kwargs"]),
        (Stage.reproduce, ["self", "interactive", "kwargs"]),
        (Stage.dump, ["self", "kwargs"]),
        (Output.save, ["self"]),
        (to_lockfile, ["stage", "kwargs"]),
        (dumps_yaml, ["d"]),
        (Lock.lock, ["self"]),
        (Lock.unlock, ["self"]),
    ],
)
def test_a_function_takes_what_it_took(function, names):
    assert parameters(inspect.unwrap(function)) == names


def test_the_locks_of_stages_name_the_process_as_ours_do():
    # Ours is taken first and theirs nest in it: with another text they would block each other.
    assert 'cmd = " ".join(sys.argv)' in inspect.getsource(inspect.unwrap(rwlocked))


def test_errors_are_of_the_kinds_that_are_caught():
    from dvc.exceptions import DvcException

    assert issubclass(LockError, DvcException)
    assert issubclass(RunCacheNotFoundError, DvcException)


def test_a_stage_has_what_is_read_from_it(project):
    project.stages(copy={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"], "meta": {"timeout_s": 1}})
    with Repo() as repo:
        (stage,) = repo.index.stages
        assert isinstance(stage, PipelineStage)
        assert (stage.addressing, stage.path_in_repo, stage.frozen) == ("copy", "dvc.yaml", False)
        assert stage.meta == {"timeout_s": 1}
        assert stage.deps[0].hash_info is not None
        assert not isinstance(stage.deps[0], (AbstractDependency, RepoDependency))
        out = stage.outs[0]
        assert (out.use_cache, bool(out.is_metric), bool(out.is_plot)) == (True, False, False)
        settings = prepare_kwargs(stage, run_env={"MM": "1"})
        assert settings["cwd"] == str(project.root)
        assert settings["env"][DVC_STAGE] == "copy"
        assert settings["env"][DVC_ROOT] == str(project.root)
        assert settings["env"]["MM"] == "1"
        assert list(repo.index.graph.successors(stage)) == []


def test_an_output_has_what_is_read_from_it(project):
    project.stages(copy={"cmd": "mkdir out; cp in.txt out/a", "deps": ["in.txt"], "outs": ["out"]})
    project.reproduce()
    with Repo() as repo:
        (out,) = repo.index.outs
        assert (out.is_in_repo, out.hash_name, out.hash_info.isdir, out.meta.size) == (True, "md5", True, 4)
        ((path, meta, file),) = out.get_obj()
        assert (path, meta.size, file.value) == (("a",), None, "5bbf5a52328e7439ae6e719dfe712200")
        stored = Path(out.cache.oid_to_path(file.value))
        assert stored.read_text() == "one\n"
        assert out.cache.is_protected(str(stored))


def test_a_run_is_restored_from_a_stage_that_is_made_from_what_was_noted():
    # What looks at the outputs before they are restored stands there.
    assert "cached_stage = self._create_stage(cache, wdir=stage.wdir)" in inspect.getsource(StageCache.restore)


def test_data_has_what_is_read_from_it(project):
    project.write("data.csv", "1\n")
    with Repo() as repo:
        repo.add("data.csv")
        (stage,) = repo.index.stages
        assert (stage.addressing, stage.path) == ("data.csv.dvc", str(project.root / "data.csv.dvc"))
        assert (stage.cmd, stage.deps, stage.frozen) == (None, [], False)
        (out,) = stage.outs
        assert (str(out), out.exists) == ("data.csv", True)
        assert out.hash_info.value in project.read("data.csv.dvc")


def test_a_repository_has_what_is_used_of_it(project):
    project.stages()
    with Repo() as repo:
        assert repo.lock.lock() is None
        repo.lock.unlock()
        assert isinstance(repo.stage_cache, StageCache)
        with repo.scm_context(quiet=True):
            assert repo.config["core"].get("hardlink_lock", False) is False
        assert repo.tmp_dir == str(project.root / ".dvc" / "tmp")
