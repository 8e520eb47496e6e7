"""A stage that is run before those that it builds on says which."""

import pytest

from mmcore.config.params import Params
from mmcore.errors import ArtifactError
from mmcore.stages import spread
from mmcore.stages.outputs import read_output, read_rows
from mmcore.stages.paths import Paths


@pytest.mark.parametrize(
    ("content", "told"), [(None, "is not there"), (b"{", "cannot be read"), (b"\xff", "cannot be")]
)
def test_an_output_that_is_not_there_or_damaged_names_its_stage(tmp_path, content, told):
    if content is not None:
        (tmp_path / "features.json").write_bytes(content)
    for read in (read_output, read_rows):
        with pytest.raises(ArtifactError, match=rf"features\.json {told}.*mm stage features --field x`"):
            read(tmp_path / "features.json", "features --field x")


@pytest.mark.parametrize(("kind", "stage"), [("seeds", "evaluate"), ("folds", "repeat --run a")])
def test_repeats_that_have_not_run_are_named(tmp_path, kind, stage):
    values = {"repeats": {"summary": {kind: ["a"]}}, "evaluation": {"confidence": 0.95}, "report": {"title": "T"}}
    params = Params(values, [key.format(kind=kind) for key in spread.READS])
    with pytest.raises(ArtifactError, match=f"mm stage {stage}`"):
        spread.run(params, Paths(tmp_path), kind=kind)
