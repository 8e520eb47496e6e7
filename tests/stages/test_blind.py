"""Models are not judged by what they cannot see."""

import json
import shutil

import pytest

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
