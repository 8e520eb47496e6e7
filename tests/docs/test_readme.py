"""What the README says is there, is there; and both languages say the same."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mmcore.config.fields import FieldSettings

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "README.zh.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/plugins.md",
    "docs/data.md",
    "docs/data.zh.md",
]
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
CODE = re.compile(r"`([^`\n]+)`")


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page):
    """The lines of indented blocks without their comments."""
    lines = [line for line in text(page).splitlines() if line.startswith("    ")]
    return [line.split(" #")[0].rstrip() for line in lines if "# or" not in line and "# 或" not in line]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    links = [link for link in LINK.findall(text(page)) if "://" not in link]

    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_no_longer_than_can_be_read(page):
    assert [line for line in text(page).splitlines() if len(line) > 160 and "![" not in line and "| " not in line] == []


def test_both_languages_have_the_same_commands_links_and_code():
    english, chinese = "README.md", "README.zh.md"
    own = LINK.findall(text(chinese))

    assert commands(english) == commands(chinese)
    assert set(LINK.findall(text(english))) ^ {link.replace(".zh.md", ".md") for link in own} == {english, chinese}
    # Where there is a Chinese page, the Chinese README leads to it.
    pages = [link for link in own if link.endswith(".md") and link != english]
    assert [page for page in pages if (ROOT / page.replace(".md", ".zh.md")).is_file()] == []
    assert set(CODE.findall(text(english))) == set(CODE.findall(text(chinese)))


@pytest.mark.parametrize("page", ["data", "search"])
def test_both_languages_of_a_page_name_the_same_keys_and_commands(page):
    english, chinese = f"docs/{page}.md", f"docs/{page}.zh.md"

    assert commands(english) == commands(chinese)
    assert set(CODE.findall(text(english))) == set(CODE.findall(text(chinese)))


def test_the_page_that_params_yaml_leads_to_explains_every_key_of_a_field():
    header, explained = text("params.yaml").split("\n\n")[0], set(CODE.findall(text("docs/data.md")))

    assert "docs/data.md" in header
    assert {key.name for key in fields(FieldSettings)} - explained == set()


def test_both_languages_have_the_same_numbers_and_sections():
    english, chinese = text("README.md"), text("README.zh.md")

    assert [line.count("#") for line in english.splitlines() if line.startswith("#")] == [
        line.count("#") for line in chinese.splitlines() if line.startswith("#")
    ]
    numbers = [re.findall(r"NUMBER-TO-FILL\(\w+\)|\d+[.,]\d+", page) for page in (english, chinese)]
    assert sorted(numbers[0]) == sorted(numbers[1])


def test_folders_and_files_that_the_readme_names_are_there():
    named = [name for name in CODE.findall(text("README.md")) if re.fullmatch(r"(\w+/)+|\w+\.(yaml|md)", name)]

    made_by_a_run = {"artifacts/", "plots/", "model/"}
    assert [name for name in named if name not in made_by_a_run and not (ROOT / name).exists()] == []
