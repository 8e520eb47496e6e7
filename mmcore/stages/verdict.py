"""verdict: artifacts/verdict.html from artifacts/verdict.json. Run by flows, not by DVC."""

from mmcore.config.params import Params
from mmcore.data.writing import whole_file
from mmcore.errors import ArtifactError
from mmcore.releases.record import PAGE, VERDICT, read_record
from mmcore.report.verdict import render_verdict
from mmcore.stages.paths import Paths

READS = ("report.title",)


def run(params: Params, paths: Paths) -> None:
    """Write the page. Raises ArtifactError where there is no verdict."""
    record = read_record(paths.root)
    if record is None:
        raise ArtifactError(f"{paths.root / VERDICT} is not there. `python -m flows.retrain` writes it.")
    with whole_file(paths.root / PAGE) as part:
        part.write_text(render_verdict(record, title=params.get("report.title", str)), encoding="utf-8")
