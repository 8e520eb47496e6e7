"""The verdict on a new model, its drift and its page, from real models."""

import json
import re
import shutil
from datetime import UTC, datetime

import pytest
import yaml

from mmcore.config.params import Params
from mmcore.errors import ArtifactError, ConfigError
from mmcore.model.folder import load_model
from mmcore.releases.looks import Look, line_of, read_looks
from mmcore.releases.record import read_record
from mmcore.stages import compare, judge, smoke, verdict
from mmcore.stages.drift import drift_of
from tests.stages import table

NOW = datetime(2026, 6, 1, tzinfo=UTC).isoformat()
WEAK = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 200, "lr": 0.0001, "threads": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Today's rows, 60 more than the weak model in use was trained on, and a good new model."""
    folder = tmp_path_factory.mktemp("judge")
    _, paths = table.trained(folder, table.rows(400), training=WEAK)
    shutil.copytree(paths.model, folder / "champion")
    more = table.rows(60, start=400, seed=3, shift=1.5)
    settings, paths = table.trained(folder, table.rows(400) + more)
    paths.floors.unlink(missing_ok=True)
    return settings, paths


def decide(project, *, champion=True, looks=(), params=None, folder=None, question="usual"):
    settings, paths = project
    about = {"version": "v1.0.0", "commit": "c" * 40, "digest": "old"} if champion else None
    asked = {
        "now": NOW, "digest": "new", "data": "data", "question": question, "champion": about,
        "folder": str(folder or paths.root / "champion"), "looks": "".join(map(line_of, looks)),
    }  # fmt: skip
    paths.state.mkdir(exist_ok=True)
    (paths.state / "judge.json").write_text(json.dumps(asked))
    judge.run(params or settings, paths)
    return read_record(paths.root)


def nights(count=12, deviation=0.005, seeds=1):
    """Earlier looks over another champion, from which chance between trainings is known."""
    return [
        Look(
            f"2026-05-{night + 1:02d}T00:00:00+00:00", "older", f"night-{night}", "rows", n=100,
            metric="label/accuracy", gain=deviation * (-1) ** night, spent=0.0001, verdict="HOLD", seeds=seeds,
            deviation=deviation,
        )
        for night in range(count)
    ]  # fmt: skip


def test_a_better_model_is_promoted_once_chance_between_trainings_is_known(project):
    record = decide(project, looks=nights(seeds=3))
    assert record["verdict"] == "PROMOTE", record["reasons"]
    assert record["scores"]["label/accuracy"]["gain"] > 0
    assert record["chance"]["p"] <= record["chance"]["allowed"]
    assert record["chance"]["look"] == 13


def test_before_it_is_known_the_same_gain_holds(project):
    record = decide(project)
    assert record["verdict"] == "HOLD"
    assert record["chance"]["needed"] is None
    assert "is not known yet" in record["reasons"][0]


def test_seeds_of_the_night_make_it_known(project):
    settings, paths = project
    metrics = {"spread": {"label/accuracy": {"runs": 12, "deviation": 0.004}}}
    paths.spread("seeds").parent.mkdir(exist_ok=True)
    paths.spread("seeds").with_suffix(".json").write_text(json.dumps(metrics))
    ignored = decide(project)
    seeded = Params({**settings.values, "repeats": {"summary": {"seeds": ["seed-1"]}}}, settings.keys)
    assert ignored["chance"]["freedom"] == 0  # left over from a run whose params.yaml asked for seeds
    assert decide(project, params=seeded)["verdict"] == "PROMOTE"


def test_the_look_is_written_down_with_what_it_spent(project):
    record = decide(project, looks=nights())
    (look,) = read_looks(json.dumps(record["look"]))
    assert (look.champion, look.challenger, look.data, look.verdict) == ("old", "new", "data", record["verdict"])
    assert look.spent == pytest.approx((0.05 - 12 * 0.0001) / 365)
    again = decide(project, looks=[*nights(), look])
    assert again["chance"]["new"] is False
    assert again["chance"]["allowed"] == look.spent
    assert again["verdict"] == record["verdict"]


def test_asked_by_other_settings_it_is_another_look_and_its_own_gain_is_no_chance_between_trainings(project):
    first = decide(project, looks=nights())
    (look,) = read_looks(json.dumps(first["look"]))
    again = decide(project, looks=[*nights(), look], question="other")
    assert again["look"]["question"] == again["question"] == "other"
    assert again["chance"]["new"] is True
    assert again["chance"]["look"] == first["chance"]["look"] + 1
    assert again["chance"]["allowed"] < look.spent
    assert again["chance"]["deviation"] == first["chance"]["deviation"]


def test_the_first_model_is_held_against_its_floors(project):
    paths = project[1]
    record = decide(project, champion=False)
    assert (record["verdict"], record["champion"]) == ("PROMOTE", None)
    metrics = json.loads(paths.metrics.read_text())
    paths.metrics.write_text(json.dumps({**metrics, "label/accuracy/floor/majority": 0.99}))
    held = decide(project, champion=False)
    paths.metrics.write_text(json.dumps(metrics))
    assert held["verdict"] == "HOLD"


@pytest.mark.parametrize("champion", [True, False])
def test_a_tolerance_for_what_is_no_score_is_told_with_what_was_probably_meant(project, champion):
    settings = project[0]
    misspelt = Params({**settings.values, "verdict": {"tolerances": {"label/crossentropy": 0.02}}}, settings.keys)
    with pytest.raises(ConfigError, match="Did you mean 'label/cross_entropy'"):
        decide(project, champion=champion, params=misspelt)


def test_models_that_cannot_be_compared_are_told_and_hold(project, tmp_path):
    gone = shutil.copytree(project[1].root / "champion", tmp_path / "gone")
    about = yaml.safe_load((gone / "model.yaml").read_text())
    about["packages"]["mm-gone"] = "0.1.0"
    (gone / "model.yaml").write_text(yaml.safe_dump(about))
    record = decide(project, folder=gone)
    assert (record["verdict"], record["judged"]) == ("HOLD", False)
    assert "mm-gone" in record["reasons"][0]


@pytest.fixture
def edited(project, tmp_path):
    """The model in use, made with other code of a package than is there."""
    folder = shutil.copytree(project[1].root / "champion", tmp_path / "edited")
    about = yaml.safe_load((folder / "model.yaml").read_text())
    about["code"] = {"mm-tasks": "0" * 16}
    (folder / "model.yaml").write_text(yaml.safe_dump(about))
    return folder


def test_over_a_model_that_other_code_made_nothing_is_promoted_and_the_package_is_named(project, edited):
    assert decide(project, looks=nights(seeds=3))["verdict"] == "PROMOTE"
    record = decide(project, looks=nights(seeds=3), folder=edited)

    assert (record["verdict"], record["judged"], record.get("look")) == ("HOLD", False, None)
    assert re.search(r"edited was made with other code of mm-tasks .* then\)\. A gain may", record["reasons"][0])
    assert record["scores"]["label/accuracy"]["gain"] > 0  # a person who promotes by hand wants to see it
    page = (project[1].root / "artifacts" / "verdict.html").read_text()
    assert "mm-tasks" in page
    assert "label/cross_entropy" in page


def test_two_models_by_hand_are_compared_and_it_is_told_who_made_them(project, edited):
    settings, paths = project
    found = compare.run(settings, paths, champion=edited, challenger=paths.model)

    assert found.scores["label/accuracy"].gain > 0
    (told,) = found.edited
    assert told.startswith(f"{edited} was made with other code of mm-tasks")


def test_a_model_whose_column_is_gone_is_not_judged_without_it(project, tmp_path):
    settings = project[0]
    (tmp_path / "table.csv").write_text("id,region,label\n0,north,yes\n")
    data = {**settings.values["data"], "source": {"name": "table", "path": str(tmp_path / "table.csv")}}
    fields = {"label": settings.values["fields"]["label"]}
    record = decide(project, params=Params({**settings.values, "data": data, "fields": fields}, settings.keys))
    assert (record["verdict"], record["judged"]) == ("HOLD", False)
    assert "today's data does not have" in record["reasons"][0]


def test_the_page_says_all_of_it(project):
    record = decide(project, looks=nights(seeds=3))
    page = (project[1].root / "artifacts" / "verdict.html").read_text()
    for words in ("PROMOTE", "label/accuracy", "region=north", "v1.0.0", "rows compared", "night-11", "enough"):
        assert words in page, words
    record["release"] = {"version": "v1.1.0", "commit": "c", "stage": "prod"}
    record["forced"] = {"by": "<b>me</b>", "reason": "because"}
    (project[1].root / "artifacts" / "verdict.json").write_text(json.dumps(record))
    verdict.run(*project)
    page = (project[1].root / "artifacts" / "verdict.html").read_text()
    assert "Released as v1.1.0" in page
    assert "&lt;b&gt;me&lt;/b&gt;" in page


def test_new_rows_that_look_otherwise_have_drifted_and_ask_for_nothing_but_a_candidate(project):
    found = drift_of(*project, project[1].root / "champion")
    assert 30 <= found["rows"] <= 60
    drifted = {(one["field"], one["what"]) for one in found["fields"] if one["drifted"]}
    assert ("x.x", "numbers") in drifted
    assert any("x.x" in what for what in found["asks"])
    assert found["embedding"]["drifted"]


def test_rows_of_one_kind_have_not_drifted(tmp_path):
    _, paths = table.trained(tmp_path, table.rows(300), training=WEAK)
    shutil.copytree(paths.model, tmp_path / "champion")
    settings, paths = table.trained(tmp_path, table.rows(300) + table.rows(300, start=300, seed=9), training=WEAK)
    found = drift_of(settings, paths, tmp_path / "champion")
    assert found["rows"] > 150
    assert found["asks"] == []
    few = table.rows(300) + table.rows(10, start=300, seed=9)
    table.write(tmp_path, few)
    table.prepare(tmp_path, settings)
    assert drift_of(settings, paths, tmp_path / "champion")["fields"] == []


def test_a_model_that_does_not_say_what_it_was_trained_on_is_not_asked_of_drift(project, tmp_path):
    silent = shutil.copytree(project[1].root / "champion", tmp_path / "silent")
    (silent / "profile.json").unlink()
    assert drift_of(*project, silent) is None


def test_the_smoke_test_asks_rows_and_knows_what_was_answered(project):
    settings, paths = project
    asked = smoke.questions(settings, paths, paths.model, inputs=["x"])
    assert len(asked.rows) == len(asked.expected) == smoke.ROWS
    from mmcore.predictor import Predictor

    answers = dict(enumerate(Predictor(load_model(paths.model)).predict(asked.rows, asked.base)))
    smoke.check_answers(answers, asked.expected)
    answers[0]["label"]["label"] = "perhaps"
    with pytest.raises(ArtifactError, match="label said 'perhaps'"):
        smoke.check_answers(answers, asked.expected)


def test_of_another_model_nothing_is_expected(project):
    settings, paths = project
    assert smoke.questions(settings, paths, paths.root / "champion", inputs=["x"]).expected == []
