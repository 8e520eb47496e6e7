"""Models are not judged by what they cannot see."""

import json
import shutil

import numpy as np
import pytest

from mmcore.data.manifest import Manifest
from mmcore.errors import DataError
from mmcore.stages import compare
from tests.stages import photos


def test_pictures_that_are_gone_since_they_were_ingested_are_named_and_nothing_is_judged(tmp_path):
    settings, paths = photos.trained(tmp_path, photos.rows(40), photo=photos.PHOTO, kind=photos.KIND)
    shutil.move(tmp_path / "photos", tmp_path / "away")
    with pytest.raises(DataError, match=r"cannot read 'photos/\d+\.png' of a row that counts: .*Bring the file back"):
        compare.run(settings, paths, champion=paths.model, challenger=paths.model)


def test_a_column_with_another_name_is_found_by_the_field_of_the_same_name_and_that_is_said(tmp_path):
    settings, paths = photos.trained(tmp_path, photos.rows(40), photo=photos.PHOTO, kind=photos.KIND)
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace("id,photo,", "id,picture,"))
    field = {**settings.values["fields"]["photo"], "column": "picture"}
    renamed = settings.with_value("fields.photo", field)
    found = compare.run(renamed, paths, champion=paths.model, challenger=paths.model)
    assert found.scores["kind/accuracy"].first == json.loads(paths.metrics.read_text())["kind/accuracy"]
    assert "'photo' (of 'photo') is taken from 'photo' (of 'picture') today." in found.notes


def test_a_class_that_the_new_model_was_not_shown_any_more_is_wrong_for_it(tmp_path):
    parts = ["train", "train", "validation", "test"]
    lines = photos.rows(240, part=lambda number: parts[number % 4])
    named = {"data": {"split": {"column": "part"}}, "size": photos.SIZE, "kind": photos.KIND}
    champion = photos.trained(tmp_path / "then", lines, **named)[1].model
    shown = [line for line in lines if line[3] == "test" or line[4] != "blue"]
    new = photos.trained(tmp_path / "now", shown, **named)
    tested = [line for line in shown if line[3] == "test"]
    blue = sum(line[4] == "blue" for line in tested) / len(tested)
    found = compare.run(*new, champion=champion, challenger=new[1].model)
    assert (found.n, found.left_out) == (len(tested), {})
    assert found.scores["kind/accuracy"].second <= 1 - blue
    assert found.scores["kind/accuracy"].gain < 0
    assert found.scores["kind/cross_entropy"].unknown == round(blue * len(tested))


def test_a_model_is_not_judged_on_what_it_was_trained_on_where_a_field_was_dropped(tmp_path):
    """The groups are others without the pictures, so that the split is dealt anew."""
    lines = photos.rows(120)
    then = photos.trained(tmp_path / "then", lines, photo=photos.PHOTO, size=photos.SIZE, kind=photos.KIND)[1]
    new = photos.trained(tmp_path / "now", lines, size=photos.SIZE, kind=photos.KIND)
    before, after = Manifest.read(then.manifest), Manifest.read(new[1].manifest)
    trained = {before.ids[row] for row in np.flatnonzero(before.splits != "test")}
    both = {after.ids[row] for row in after.rows("test")} & trained
    found = compare.run(*new, champion=then.model, challenger=new[1].model)
    assert both
    assert found.left_out == {"trained on by the model in use": len(both)}
