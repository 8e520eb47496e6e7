"""The verdict in Prefect."""

import json

import pytest

from flows.published import markdown, publish_verdict
from mmcore.releases.record import empty

SCORE = {"champion": 0.8, "challenger": 0.9, "gain": 0.1, "low": 0.05, "high": 0.15}


def record():
    made = empty("2026-01-01T00:00:00+00:00", champion={"version": "v1.0.0"}, digest="a", data="b", metric="t/m")
    return made | {
        "verdict": "PROMOTE", "reasons": ["It is better."], "scores": {"t/m": SCORE}, "drift": {"asks": ["all moved"]},
        "notes": ["The rows are others."],
    }  # fmt: skip


def test_the_page_has_the_reasons_the_notes_and_every_score():
    page = "\n".join(markdown(record()))
    assert page.startswith("# PROMOTE\n\n- It is better.\n- Drift: all moved.\n- The rows are others.")
    assert "| t/m | 0.8000 | 0.9000 | +0.1000 | +0.0500 to +0.1500 |" in page


@pytest.mark.usefixtures("prefect_server")
def test_it_is_an_artifact_of_a_run_that_is_called_by_its_verdict():
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    publish_verdict(json.loads(json.dumps(record())))
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["verdict"]))
        (page,) = client.read_artifacts(artifact_filter=wanted)
        assert "PROMOTE" in [run.name for run in client.read_flow_runs()]
    assert page.data.startswith("# PROMOTE")
