"""The verdict where people look at runs: a page of Markdown beside the table of outcomes."""

from collections.abc import Iterator

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.server import ensure_api
from mmcore.releases.record import Record


def publish_verdict(record: Record) -> None:
    """As a flow of its own, so that it stands in the list of runs with what it says."""
    ensure_api()
    verdict.with_options(flow_run_name=str(record["verdict"]))(record)


@flow(name="verdict", persist_result=False)
def verdict(record: Record) -> None:
    """Keep the verdict as an artifact named `verdict`."""
    create_markdown_artifact("\n".join(markdown(record)), key="verdict", description=str(record["verdict"]))


def markdown(record: Record) -> Iterator[str]:
    """The decision, its reasons, what else there is to know, and every score of both models."""
    yield f"# {record['verdict']}"
    yield ""
    yield from (f"- {reason}" for reason in record["reasons"])
    yield from (f"- Drift: {what}." for what in (record["drift"] or {}).get("asks", []))
    yield from (f"- {note}" for note in record["notes"])
    if record["scores"]:
        yield ""
        yield "| score | in use | new | gain | interval |"
        yield "| --- | --- | --- | --- | --- |"
    for name, one in record["scores"].items():
        interval = f"{one['low']:+.4f} to {one['high']:+.4f}"
        yield f"| {name} | {one['champion']:.4f} | {one['challenger']:.4f} | {one['gain']:+.4f} | {interval} |"
