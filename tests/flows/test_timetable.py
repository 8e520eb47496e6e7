from pathlib import Path

import pytest

from flows.timetable import FILE, Timetable, read_timetable
from mmcore.errors import ConfigError

CLONE = Path(__file__).parents[2]


def timetable(folder, text):
    (folder / "conf").mkdir(exist_ok=True)
    (folder / FILE).write_text(text)
    return read_timetable(folder)


def test_the_file_that_is_shipped_says_what_is_the_case_without_it(tmp_path):
    assert read_timetable(CLONE) == read_timetable(tmp_path) == Timetable()


def test_what_is_said_is_taken_and_the_rest_stays(tmp_path):
    read = timetable(tmp_path, "{cron: null, share: [data], keep: {days: 7}, server: {port: 5000}}")
    assert (read.cron, read.share, read.keep.days, read.server.port) == (None, ("data",), 7, 5000)
    assert read.keep.worktrees == Timetable().keep.worktrees


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corn: '0 2 * * *'", "has a key 'corn'. Did you mean 'cron'"),
        ("keep: {dyas: 3}", "has a key keep.'dyas'. Did you mean 'days'"),
        ("jobs: two", "jobs in .* is 'two'. It takes int"),
        ("jobs: true", "jobs in .* is True. It takes int"),
        ("share: data", "share in .* is 'data'. It takes a list"),
        ("cron: 5", "cron in .* is 5. It takes str or null"),
        ("keep: 5", "keep. in .* is 5. It takes keys: days"),
        ("timezone: Berlin", "timezone in .* is 'Berlin', which is none"),
        ("notify: {about: [late]}", "notify.about in .* has late. There are: failed"),
        ("keep: {days: 0}", "keep.days in .* is 0. It takes 1 or more"),
        ("server: {port: 65536}", "server.port in .* is 65536. It takes 1 to 65535"),
        ("timeout_h: 0", "timeout_h in .* is 0. It takes more than 0"),
        ("- cron", "The whole in .* It takes keys"),
        ("cron: [", "is not YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        timetable(tmp_path, text)
