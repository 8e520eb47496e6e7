"""The project's own conf/, params.yaml and dvc.yaml, as they lie in the repository."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmcore.cli.stage import FOR_EACH, STAGES
from mmcore.config.compose import compose
from mmcore.config.document import differences
from mmcore.config.sections import SECTIONS
from mmcore.config.update import read_current
from mmcore.errors import ConfigError
from mmcore.registry.plugins import installed
from mmcore.registry.settings import settings_of
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[2]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def body(name: str) -> dict:
    stage = DVC["stages"][name]
    return stage["do"] if "foreach" in stage else stage


def paths_in(entries: list) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def test_dvc_runs_for_each_entry_what_the_command_does():
    each = {name: DVC["stages"][name]["foreach"] for name in STAGES if "foreach" in DVC["stages"][name]}

    assert each == {name: f"${{{key}}}" for name, (_, key) in FOR_EACH.items()}


def test_dvc_runs_every_stage_and_no_other():
    assert list(DVC["stages"]) == list(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_dvc_hands_a_stage_the_params_that_it_reads(name):
    reads = importlib.import_module(f"mmcore.stages.{name}").READS

    assert sorted(body(name)["params"]) == sorted(re.sub(r"{\w+}", "${key}", key) for key in reads)


@pytest.mark.parametrize("name", STAGES)
def test_dvc_calls_the_stage_by_its_name(name):
    option = f" --{FOR_EACH[name][0]} ${{key}}" if name in FOR_EACH else ""

    assert body(name)["cmd"] == f"mm stage {name}{option}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_own_module_and_on_code_that_is_there(name):
    code = [path for path in body(name)["deps"] if path.startswith(("mmcore", "plugins"))]

    assert {f"mmcore/stages/{name}.py", "mmcore/stages"} & set(code)
    assert all((ROOT / path).exists() for path in code), code


def test_what_a_stage_depends_on_was_written_before():
    written = set[str]()
    for name in STAGES:
        needed = {path for path in body(name)["deps"] if path.startswith("artifacts/")}
        assert all(any(out == path or out.startswith(f"{path}/") for out in written) for path in needed), name
        written |= {*paths_in(body(name).get("outs", [])), *paths_in(body(name).get("metrics", []))}


def test_dvc_keeps_every_artifact_where_the_stages_write_it():
    paths = Paths(Path())
    files = [
        paths.manifest, paths.refused, paths.inputs, paths.quarantine, paths.model, paths.timings, paths.floors,
        paths.metrics, paths.predictions, paths.learning, paths.confusion, paths.report,
        paths.fit("${key}"), paths.store("${key}"), paths.features("${key}"), paths.pretrain("${key}"),
        paths.repeat("${key}"),
        f"{paths.spread('${key}')}.json", f"{paths.spread('${key}')}.html",
    ]  # fmt: skip
    outs = [path for name in STAGES for path in paths_in(body(name).get("outs", []) + body(name).get("metrics", []))]

    assert sorted(outs) == sorted(map(str, files))


def test_params_yaml_is_what_its_choices_give():
    current = read_current(ROOT / "params.yaml")

    assert differences(compose(ROOT, current.choices, plugins=installed()), current.values) == {}
    assert not current.edited


def test_the_shipped_training_lists_every_setting():
    shipped = yaml.safe_load((ROOT / "conf/training/default.yaml").read_text(encoding="utf-8"))

    assert set(shipped) == set(settings_of(SECTIONS["training"])) - {"packages"}


@pytest.mark.parametrize("section", ["model", "pretrain", "floors", "evaluation", "repeats", "report"])
def test_the_shipped_config_lists_every_setting(section):
    shipped = yaml.safe_load((ROOT / "conf/config.yaml").read_text(encoding="utf-8"))

    assert set(shipped[section]) == set(settings_of(SECTIONS[section])) - {"runs", "summary", "start"}


def test_shipped_values_are_the_defaults():
    shipped = yaml.safe_load((ROOT / "conf/training/default.yaml").read_text(encoding="utf-8"))
    known = settings_of(SECTIONS["training"])
    plain = {
        name: list(value) if isinstance(value := setting.default, tuple) else value for name, setting in known.items()
    }

    assert {key: value for key, value in shipped.items() if plain[key] != value} == {"monitor": "???"}


@pytest.mark.parametrize("data", sorted((ROOT / "conf/data").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_data_lists_every_setting(data):
    shipped = yaml.safe_load(data.read_text(encoding="utf-8"))

    assert set(shipped) == set(settings_of(SECTIONS["data"])) - {"code", "package"}


@pytest.mark.slow  # imports DVC, in a process of its own
def test_dvc_understands_the_pipeline():
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=True,
    )  # fmt: skip
    fields = read_current(ROOT / "params.yaml").values["fields"]
    names = {name for name in STAGES if name not in FOR_EACH}
    names |= {f"{name}@{field}" for name, (_, key) in FOR_EACH.items() for field in fields if key == "fields"}

    assert set(listed.stdout.split()) == names


def test_plots_are_of_files_that_stages_write():
    outs = {path for name in STAGES for path in paths_in(body(name).get("outs", []))}
    drawn = [path for plot in DVC["plots"] for about in plot.values() for path in about["y"]]

    assert set(drawn) <= outs, json.dumps(drawn)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")))
def test_every_experiment_composes(experiment):
    to_be_given = ("data.source.path", "data.source.file", "data.source.folder")
    try:
        values = compose(ROOT, [f"experiment={experiment}"], plugins=installed())
    except ConfigError as error:
        lacking = re.findall(r"(\S+)=\.\.\.", str(error))
        assert set(lacking) <= set(to_be_given), error  # noqa: PT017  it says which, and is no more than a first try
        given = [f"{key}=here" for key in lacking]
        values = compose(ROOT, [f"experiment={experiment}", *given], plugins=installed())

    assert values["training"]["monitor"].split("/")[0] in values["tasks"]
