"""What an image of deploy/Containerfile takes from the clone it is built in: nothing of what git or DVC ignores."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def patterns(file):
    """Without what says where in the tree they hold."""
    lines = [line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    named = [line for line in lines if line and line[0] not in "#!"]
    return {line.removeprefix("**/").removesuffix("/*").strip("/") for line in named}


def test_what_git_ignores_stays_out_of_the_image():
    # `make install` takes a .venv with its stamp for one that is set up, though it is the host's.
    assert ".venv" in patterns(".gitignore")
    assert patterns(".gitignore") <= patterns(".dockerignore")


def test_dvcs_cache_and_its_passwords_stay_out_of_the_image():
    ignored = {f".dvc/{name}" for name in patterns(".dvc/.gitignore")}
    assert ".dvc/config.local" in ignored
    assert ignored <= patterns(".dockerignore")
