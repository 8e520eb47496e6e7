"""The pages of docs/ are followed to the letter: files are written, commands are run."""

import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = [
    pytest.mark.slow,  # trains models: every stage is a process that imports torch
    pytest.mark.timeout(900),
]


def follow(page: Path, clone: Path, environment: dict[str, str]) -> str:
    """Do what the page says, block by block: ```sh is run, ```python is run, ```anything PATH is written to PATH.

    Blocks of `console` show what is on a screen, and are left out. Returns what the commands printed.
    """
    printed = ""
    for language, path, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if path:
            assert (clone / path).parent.is_dir(), f"the page writes {path} into a folder that is not there"
            (clone / path).write_text(text, encoding="utf-8")
        elif language in ("sh", "python"):
            command = ["bash", "-euc", text] if language == "sh" else ["python", "-c", text]
            done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            printed += done.stdout
    return printed


def test_who_follows_the_page_on_plugins_has_a_trained_model(clone, environment):
    printed = follow(DOCS / "plugins.md", clone, environment)

    assert "state: alarmed" in printed
    assert (clone / "artifacts" / "report.html").is_file()


def test_who_follows_the_page_on_data_has_a_report_and_answers(clone, environment):
    printed = follow(DOCS / "data.md", clone, environment)

    assert "match: " in printed
    assert "Does the caption tell the truth?" in (clone / "artifacts" / "report.html").read_text(encoding="utf-8")
    assert len((clone / "answers.csv").read_text(encoding="utf-8").splitlines()) == 801
