"""Names that git and GTO can hold."""

import subprocess

import pytest
from gto.constants import check_string_is_valid

from mmcore.errors import ConfigError
from mmcore.releases.settings import ReleaseSettings

BRANCHES = [
    "releases", "a/b", "发布", "a.b", "a-b", "v1@2", "a@b", "lock", "a.lockb",
    "re leases", "", ".a", "a/.b", "a..b", "a~", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a\n", "a\x7f",
    "/a", "a/", "a//b", "a.", "a@{b", "@", "-a", "HEAD", "a.lock", "a.lock/b",
]  # fmt: skip
NAMES = ["model", "m", "a-b", "a_b/c", "Prod1", "pre prod", "", "a.b", "-a", "a-", "a@b", "a#b", "a!", "发布", "a\n"]


def taken(**settings):
    try:
        ReleaseSettings(**settings)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_is_taken_where_git_takes_it(name):
    asked = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert taken(branch=name) == (asked.returncode == 0)


@pytest.mark.parametrize("key", ["name", "stage"])
@pytest.mark.parametrize("name", NAMES)
def test_what_stands_in_a_tag_is_taken_where_gto_reads_it(key, name):
    assert taken(**{key: name}) == (check_string_is_valid(name) and not name.endswith("\n"))


def test_a_name_that_git_takes_for_no_tag_is_not_taken():
    assert not taken(name="a//b")
