"""What makes a search another one, and where its trials lie."""

import pytest
import yaml

from mmcore.errors import ConfigError


@pytest.fixture
def folders(project):
    """Where a trial, a training of the comparison and what is prepared for both lie."""

    def of(values=None, **settings):
        plan = project.plan(name="s", **settings)
        values = plan.values if values is None else values
        return plan.trial_folder(0, values), plan.judged_folder(values, 0), plan.shared

    return of


def test_the_same_settings_on_the_same_data_lie_in_the_same_place(folders, project):
    assert folders() == folders()
    shown = {**project.values, "report": {**project.values["report"], "examples": 1}}
    assert folders(shown) == folders()


def test_other_settings_lie_elsewhere(folders, project):
    other = project.plan().project.settle({"training.lr": 0.03})
    assert folders(other)[0] != folders()[0]
    assert folders(other)[1] != folders()[1]


def test_on_other_data_all_of_it_lies_elsewhere(folders, project):
    before = folders()
    inputs = project.root / "artifacts" / "inputs.json"
    inputs.write_text(inputs.read_text() + "\n")
    assert not {*before} & {*folders()}


def test_folds_that_are_dealt_otherwise_are_another_study(project):
    dealt = [project.plan(folds=5, seed=seed).about() for seed in (0, 1)]
    assert dealt[0] != dealt[1]
    whole = [project.plan(seed=seed).about() for seed in (0, 1)]
    assert whole[0] == whole[1]


def test_a_trial_in_folds_lies_elsewhere(folders):
    assert folders(folds=5)[0] != folders()[0]


def test_what_is_done_with_a_model_later_is_no_other_study(project):
    before = project.plan().about()
    text = (project.root / "params.yaml").read_text()
    values = yaml.safe_load(text)
    values["release"]["enabled"] = not values["release"]["enabled"]
    values["verdict"]["looks"] += 1
    (project.root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    assert project.plan().about() == before


def test_one_fold_is_refused_before_anything_is_trained(project):
    with pytest.raises(ConfigError, match=r"folds=1 would .* Say folds=2 or more, or 0"):
        project.plan(folds=1)
