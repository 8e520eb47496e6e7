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


def test_rows_that_the_model_in_use_cannot_read_do_not_count_and_are_told(tmp_path):
    lines = photos.rows(120)
    then = photos.trained(tmp_path / "then", lines, size=photos.SIZE, kind=photos.KIND)[1]
    later = [(f"n{name[1:]}", photo, f"tiny {n}" if n % 5 == 0 else size, part, kind)
             for n, (name, photo, size, part, kind) in enumerate(photos.rows(240, seed=1))]  # fmt: skip
    new = photos.trained(tmp_path / "now", later, size=photos.SIZE, kind=photos.KIND)
    manifest = Manifest.read(new[1].manifest)
    cells = manifest.cells("size")
    refused = sum("tiny" in cells[row] for row in manifest.rows("test"))
    found = compare.run(*new, champion=then.model, challenger=new[1].model)
    assert refused
    assert found.left_out["cannot be read by the model in use"] == refused
    assert found.n == len(manifest.rows("test")) - sum(found.left_out.values())


def test_a_model_that_can_read_nothing_of_today_is_not_judged(tmp_path):
    lines = photos.rows(60)
    then = photos.trained(tmp_path / "then", lines, size=photos.SIZE, kind=photos.KIND)[1]
    later = [(f"n{name[1:]}", photo, f"size {size}", part, kind) for name, photo, size, part, kind in photos.rows(60)]
    new = photos.trained(tmp_path / "now", later, size=photos.SIZE, kind=photos.KIND)
    with pytest.raises(DataError, match=r"can read none of today's rows\. Promote the new model by hand"):
        compare.run(*new, champion=then.model, challenger=new[1].model)


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
