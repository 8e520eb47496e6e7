"""The script `mm` from outside: what it prints, where, and how it ends."""

import errno
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mmcore.cli import main

ROOT = Path(__file__).parents[2]
MM = [sys.executable, "-c", "from mmcore.cli.main import main; main()"]


def mm(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run([*MM, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_help_names_every_command():
    done = mm("--help")

    assert done.returncode == 0
    names = ("compose", "stage", "plugins", "new", "doctor", "predict", "report", "search")
    assert all(name in done.stdout for name in names)


def test_help_is_there_by_its_short_name_too():
    assert mm("-h").stdout == mm("--help").stdout
    assert mm("find", "-h").stdout == mm("find", "--help").stdout


def test_it_says_which_version_it_is():
    done = mm("--version")

    assert (done.returncode, done.stdout) == (0, f"mmcore {version('mmcore')}\n")


def test_help_imports_nothing_heavy():
    heavy = ("torch", "numpy", "hydra", "omegaconf", "pyarrow", "lightning_fabric", "yaml")
    code = (
        "import sys; sys.argv = ['mm', '--help']\n"
        "from mmcore.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "command", ["compose", "stage", "plugins", "new", "doctor", "predict", "ask", "find", "report", "search"]
)
def test_every_command_explains_itself(command):
    assert mm(command, "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (["ask", "m", "--json", "what is it"], {"words": ["what is it"], "as_json": True}),
        (["find", "m", "--json", "a cat", "--in", "p"], {"words": ["a cat"], "as_json": True}),
        (["ask", "m", "what"], {"options": ["--temperature", "--max-tokens", "--json"], "as_json": False}),
        (["find", "m", "a cat", "--in", "p"], {"options": ["--in", "--top", "--task", "--json"], "as_json": False}),
    ],
)
def test_an_option_is_none_of_the_fields(monkeypatch, arguments, taken):
    given = {}
    monkeypatch.setattr("mmcore.cli.found.model_folder", lambda word: word)
    for name in ("talk", "search"):
        monkeypatch.setattr(f"mmcore.cli.ask.{name}", lambda _, words, **rest: given.update(rest, words=list(words)))

    main.app(arguments, standalone_mode=False)

    assert {name: given[name] for name in taken} == taken


def test_what_the_user_can_mend_is_one_message_without_a_traceback():
    done = mm("stage", "trian")

    assert done.returncode == 2
    assert done.stderr.startswith("mm: There is no stage 'trian'. Did you mean 'train'?")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stage", "fit"], "Stage 'fit' runs for one field. Add --field with one of: answer, image, question"),
        (["stage", "fit", "--field", "imgae"], "params.yaml has no field 'imgae' in fields. Did you mean 'image'?"),
        (["stage", "join", "--field", "image"], "Stage 'join' takes no such option. Leave out --field"),
        (["new", "encodr", "x"], "There is no kind 'encodr' of plugin. Did you mean 'encoder'?"),
        (["compose", "training.epoch=3"], "there is no 'training.epoch'. Did you mean 'epochs'?"),
    ],
)
def test_a_mistake_says_what_to_do(arguments, message):
    done = mm(*arguments)

    assert done.returncode == 2
    assert message in done.stderr


@pytest.fixture
def project(tmp_path):
    """The choices of this repository, composed in a folder of their own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    assert mm("compose", cwd=tmp_path).returncode == 0
    return tmp_path


def test_choices_can_be_tried_without_writing(project):
    before = (project / "params.yaml").read_bytes()
    done = mm("compose", "--check", "training.epochs=7", cwd=project)

    assert (done.returncode, done.stderr) == (0, "")
    assert "training.epochs: 7 (is 6)" in done.stdout
    assert done.stdout.endswith("params.yaml would be in order. Nothing is written.\n")
    assert mm("compose", "--check", "training.epochs=6", cwd=project).stdout.endswith("would stay as it is.\n")
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("rubbish", "rubbish"),
        ("fusion=filmm", "Did you mean 'film'"),
        ("tasks.answer.dropout=2", "params.yaml could not be used:\n  tasks.answer.dropout must be between"),
    ],
)
def test_choices_that_could_not_be_used_are_told_without_writing(project, choice, message):
    before = (project / "params.yaml").read_bytes()
    done = mm("compose", "--check", choice, cwd=project)

    assert done.returncode == 2
    assert message in done.stderr
    assert (project / "params.yaml").read_bytes() == before


def test_a_table_that_is_not_there_is_told_with_its_key(project):
    choices = ("compose", "experiment=table", "data.source.path=rows.csv")
    note = "Note: there is no rows.csv, which data.source.path names. `dvc repro` needs it"

    assert note in mm(*choices, cwd=project).stdout
    (project / "rows.csv").touch()
    assert "Note" not in mm(*choices, cwd=project).stdout


def test_an_unknown_command_ends_with_2():
    assert mm("tarin").returncode == 2


def test_outside_of_a_project_it_is_said_where_to_go(tmp_path):
    done = mm("compose", cwd=tmp_path)

    assert done.returncode == 2
    assert f"no conf/config.yaml in {tmp_path.resolve()}. The project is the clone" in done.stderr


def test_a_fault_of_ours_shows_its_traceback_and_ends_with_1():
    code = (
        "import sys; import mmcore.cli.plugins as plugins; from mmcore.cli.main import main\n"
        "def fail(**_): raise ZeroDivisionError('ours')\n"
        "plugins.show_plugins = fail; sys.argv = ['mm', 'plugins']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: ours" in done.stderr


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_stage_with_its_own_exit_code(name, code, tmp_path):
    stage = (
        "import os, signal, sys, time, types; from mmcore.cli.main import main\n"
        "def run(params, paths):\n"
        f"    os.kill(os.getpid(), signal.{name}); time.sleep(5); print('not stopped')\n"
        "sys.modules['mmcore.stages.join'] = types.SimpleNamespace(READS=(), run=run)\n"
        "sys.argv = ['mm', 'stage', 'join']; main()"
    )
    done = subprocess.run([sys.executable, "-c", stage], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr == f"mm: stopped by {name}.\n"


def run_with(app: str, *, encoding: str, typed: bytes = b"") -> bytes:
    """What main() prints where the whole of `mm` is this."""
    code = f"import mmcore.cli.main as of\nof.app = lambda prog_name: {app}\nof.main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, input=typed, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", "caf\xe9 \u7ea2".encode()), ("latin-1", b"caf\xe9 \\u7ea2"), ("ascii", b"caf\\xe9 \\u7ea2")],
)
def test_a_terminal_without_a_letter_shows_its_number(encoding, shown):
    assert run_with("print('caf\\xe9 \\u7ea2')", encoding=encoding).strip() == shown


def test_a_line_that_is_not_utf_8_does_not_end_what_reads_lines():
    shown = run_with("[print(ascii(input())) for _ in range(2)]", encoding="utf-8", typed=b"caf\xe9\nnext\n")
    assert shown.split() == [b"'caf\\udce9'", b"'next'"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_what_the_system_does_not_let_us_write_is_one_message(monkeypatch, capsys, number):
    with pytest.raises(SystemExit) as ended:
        started(monkeypatch, OSError(number, "No", "artifacts/report.html"))
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("mm: artifacts/report.html: No. ")
    assert told.count("\n") == 1


def test_another_error_of_the_system_is_a_fault(monkeypatch):
    with pytest.raises(OSError, match="Input/output error"):
        started(monkeypatch, OSError(errno.EIO, "Input/output error"))


def started(monkeypatch, error):
    def raises(**_):
        raise error

    monkeypatch.setattr(main, "app", raises)
    main.main()
