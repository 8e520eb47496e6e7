import errno
import hashlib
import os
import subprocess
import time

import pytest
from dvc.repo import Repo

from flows.holdings import Held, cache_of, named_by_folder, named_by_git, objects_in, remembered_in
from flows.prune import DAY_S, LOCKS, choose, keep_use, prune
from flows.timetable import Keep
from flows.worktree import add_worktree
from mmcore.errors import SetupError

NOW = 1_000_000_000.0
NOTHING_KEPT = Keep(days=1, size_gib=0, worktrees=0)


def held(name, *, days, size=10):
    return Held(name, None, size, NOW - days * DAY_S)


@pytest.mark.parametrize(
    ("keep", "goes"),
    [
        (Keep(days=30, size_gib=1), ["ancient"]),
        (Keep(days=30, size_gib=25 / 2**30), ["ancient", "old"]),  # 20 of 30 bytes may stay
        (Keep(days=30, size_gib=0), ["ancient", "old"]),  # but not what may be in use
        (Keep(days=100, size_gib=1), []),
    ],
)
def test_the_old_goes_and_then_the_oldest_until_the_rest_is_small_enough(keep, goes):
    objects = [held("fresh", days=0.5), held("ancient", days=40), held("old", days=2), held("released", days=400)]
    assert [item.name for item in choose(objects, {"released"}, keep, now=NOW)] == goes


def git(project, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


def commit(project, text="a commit"):
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", text)


def run_with(project, text):
    """One version of the data, and of the folder that is made of it; committed."""
    project.write("in.txt", text)
    project.reproduce()
    commit(project, text)


def grow_old(project, *, days):
    """As if all that lies in the cache had been made so long ago."""
    then = time.time() - days * DAY_S
    for path in (project.root / ".dvc" / "cache").rglob("*"):
        os.utime(path, (then, then))


@pytest.fixture
def versions(project):
    """Three versions of one output, a folder; the first is released, the last is what stands there."""
    project.write(".gitignore", "/out\n/.mm\n")
    project.stages(
        make={"cmd": "mkdir out && cp in.txt out/copy && echo x >> ran", "deps": ["in.txt"], "outs": ["out"]}
    )
    run_with(project, "one")
    git(project, "tag", "model@v1.0.0")
    run_with(project, "two")
    run_with(project, "three")
    grow_old(project, days=100)
    return project


def contents(project):
    return {path.read_text() for path in (project.root / ".dvc" / "cache" / "files").rglob("*") if path.is_file()}


def test_what_was_released_and_what_stands_there_stay_to_the_byte_and_the_rest_goes(versions):
    cleared = prune(versions.root, NOTHING_KEPT)
    assert cleared.counts == {"objects": 2, "runs": 1}  # the folder of the second version and its file
    assert {"one", "three"} < contents(versions)
    assert "two" not in contents(versions)
    assert versions.status() == {}
    git(versions, "checkout", "-q", "model@v1.0.0")
    with Repo(str(versions.root)) as repo:
        repo.checkout()
    assert versions.read("out/copy") == "one"


def test_what_went_is_made_again(versions):
    prune(versions.root, NOTHING_KEPT)
    before = versions.read("ran").count("x")
    versions.write("in.txt", "two")
    assert versions.reproduce() == ["make"]
    assert versions.read("out/copy") == "two"
    assert versions.read("ran").count("x") == before + 1


def test_a_dry_run_says_the_same_and_leaves_everything(versions):
    before = contents(versions)
    dry = prune(versions.root, NOTHING_KEPT, dry=True)
    assert contents(versions) == before
    assert str(dry) == str(prune(versions.root, NOTHING_KEPT))


def test_a_cache_that_other_clones_may_share_is_left_alone(versions, tmp_path):
    shared = tmp_path / "shared"
    (versions.root / ".dvc" / "cache").rename(shared)
    versions.write(".dvc/config.local", "[cache]\n    dir = ../../shared\n")
    before = sorted(shared.rglob("*"))
    cleared = prune(versions.root, NOTHING_KEPT)
    assert sorted(shared.rglob("*")) == before
    assert "objects" not in cleared.counts
    assert f"left alone: {shared} is outside .dvc" in str(cleared)


def test_the_cache_is_where_dvc_s_settings_of_the_user_have_it(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config").write_text(f"[cache]\n    dir = {tmp_path / 'big'}\n")
    commit(project)
    worktree = add_worktree(project.root, "HEAD", name="run", share=[])
    assert cache_of(project.root) == cache_of(worktree) == tmp_path / "big"


def test_data_that_was_committed_once_stays_though_no_tag_names_it(project):
    for text in ("first", "second"):
        project.write("data.csv", text)
        with Repo(str(project.root)) as repo:
            repo.add("data.csv")
        commit(project, text)
    grow_old(project, days=1000)
    prune(project.root, NOTHING_KEPT)
    assert {"first", "second"} <= contents(project)


@pytest.fixture
def side_branch(project):
    """Data of two versions on a branch beside the main one, which has the last of them too; it is left checked out."""
    commit(project, "start")
    git(project, "checkout", "-q", "-b", "side")
    for text in ("tried", "kept"):
        project.write("data.csv.dvc", f"outs: [{{md5: {md5_of(text)}, path: data.csv}}]\n")
        commit(project, text)
    git(project, "checkout", "-q", "-b", "straight", "HEAD~2")
    git(project, "checkout", "side", "--", "data.csv.dvc")
    commit(project, "the same in one step")
    return project


def md5_of(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_versions_of_data_on_a_branch_that_was_merged_and_deleted_stay(side_branch):
    git(side_branch, "merge", "-q", "--no-ff", "side", "-m", "merged")
    git(side_branch, "branch", "-D", "side")
    git(side_branch, "reflog", "expire", "--expire=now", "--all")
    assert {md5_of("tried"), md5_of("kept")} <= named_by_git(side_branch.root)


def test_data_that_merges_alone_name_stays(side_branch):
    for branch, text in (("side~1", "of both"), ("side", "of both, later")):
        git(side_branch, "merge", "-q", "--no-ff", "--no-commit", "-X", "ours", branch)
        side_branch.write("data.csv.dvc", f"outs: [{{md5: {md5_of(text)}, path: data.csv}}]\n")
        commit(side_branch, "merged")
    assert md5_of("of both") in named_by_git(side_branch.root)


def test_what_a_run_found_in_the_cache_counts_as_used_then(versions, tmp_path):
    git(versions, "checkout", "-q", "HEAD~1")
    worktree = tmp_path / "run"
    worktree.mkdir()
    (worktree / "dvc.lock").write_text(versions.read("dvc.lock"))
    git(versions, "checkout", "-q", "-")
    keep_use(versions.root, worktree)
    assert "objects" not in prune(versions.root, Keep(days=2, size_gib=0)).counts
    lock = versions.root / LOCKS / "run.lock"
    os.utime(lock, (0, 0))
    assert prune(versions.root, Keep(days=2, size_gib=0)).counts["objects"] == 2
    assert not lock.exists()


def folder_object(project, of):
    """Where the cache has the list of the folder that a version made."""
    md5 = hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()
    (path,) = (path for path in (project.root / ".dvc" / "cache").rglob("*.dir") if md5 in path.read_text())
    return path


def damage(path, content):
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize("content", [b'[{"md5": "60b7', b"\xff\xfe", b"[1]"])
def test_a_damaged_list_of_a_folder_is_named_and_its_files_stay(versions, content):
    damaged = folder_object(versions, of="one")
    damage(damaged, content)
    before = sorted((versions.root / ".dvc" / "cache").rglob("*"))
    with pytest.raises(SetupError, match=rf"{damaged} is damaged.*`rm -f .*{damaged.name}' && dvc commit`"):
        prune(versions.root, NOTHING_KEPT)
    assert sorted((versions.root / ".dvc" / "cache").rglob("*")) == before


def test_an_entry_of_the_run_cache_that_is_no_text_keeps_nothing_from_being_cleared(versions):
    (entry, *_) = remembered_in(cache_of(versions.root))
    damage(entry.path, b"\xff\xfe")
    assert prune(versions.root, NOTHING_KEPT).counts["objects"] == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"outs: ['md5"])
def test_a_lock_that_cannot_be_read_is_named_and_what_it_needs_stays(project, content):
    project.write("data.csv.dvc", "outs: []\n")
    commit(project)
    project.write("data.csv.dvc", "").write_bytes(content)
    with pytest.raises(SetupError, match=r"data\.csv\.dvc cannot be read.* checkout data\.csv\.dvc`"):
        prune(project.root, NOTHING_KEPT)


def test_of_a_merge_conflict_what_both_sides_need_stays(project):
    sides = [f"outs: [{{md5: {md5_of(text)}, path: data.csv}}]\n" for text in ("ours", "theirs")]
    project.write("data.csv.dvc", "<<<<<<< HEAD\n{}=======\n{}>>>>>>> side\n".format(*sides))
    both = {md5_of("ours"), md5_of("theirs")}
    assert named_by_folder(project.root) == both
    commit(project)  # as it is, by mistake, and for ever
    assert both <= named_by_git(project.root)


def test_a_note_of_use_that_is_half_written_is_named_and_keeps_nothing_from_being_cleared(versions):
    half = versions.write(str(LOCKS / "night.lock"), versions.read("dvc.lock").rpartition("md5: ")[0] + "md5: 'ab")
    cleared = prune(versions.root, NOTHING_KEPT)
    assert cleared.counts == {"objects": 2, "runs": 1}
    assert f"cannot be read: {half}" in str(cleared)


def test_a_note_of_use_is_written_whole_or_not_at_all(project, monkeypatch):
    worktree = project.write("run/dvc.lock", "new").parent
    old = project.write(str(LOCKS / "run.lock"), "old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        keep_use(project.root, worktree)
    assert [path.read_text() for path in old.parent.iterdir()] == ["old"]


def test_checkpoints_and_studies_go_when_nobody_goes_on_with_them(project):
    for name in ("training/old/weights", "training/fresh/weights", "search/study/trials"):
        project.write(f".mm/{name}", "bytes")
    for path in (project.root / ".mm" / "training" / "old", project.root / ".mm" / "search" / "study"):
        for file in [*path.rglob("*"), path]:
            os.utime(file, (0, 0))
    prune(project.root, Keep())
    assert [path.name for path in (project.root / ".mm" / "training").iterdir()] == ["fresh"]
    assert not list((project.root / ".mm" / "search").iterdir())


def test_the_cache_is_read_as_dvc_writes_it(versions):
    cache = cache_of(versions.root)
    entries = list(remembered_in(cache))
    assert len(entries) == 3
    assert set().union(*(entry.names for entry in entries)) <= {item.name for item in objects_in(cache)}


def test_it_is_a_command_too(versions):
    process = versions.start("flows.prune", "--dry")
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert output.startswith("Would go: 2 objects, 1 runs; ")
