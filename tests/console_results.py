"""A day of results on a server, for tests of what consoles ask and draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from console_parts import sources
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.explanation import ScoreExplanation
from ipi_es.results.documents.members import Members
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
    annotation,
)
from ipi_es.results.reading.incident_grouping import Incident
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS, BUCKET_TIME

HOUR = 3_600
DAY = 24 * HOUR
START = 1_778_457_600  # 2026-05-11T00:00:00Z
MANY = 10_000  # entities: the state that a big company's dashboard is in
STAMP = Stamp("snap-1", "q-1", ingested=START + DAY)
ASKING = [panel for panel in sources.panels().values() if panel["kind"] in {"time", "table", "documents"}]
LANES = [panel for panel in sources.panels().values() if panel["kind"] == "swimlane"]
SCRIPTS = {name: each["script"] for name, each in sources.data_views()["results"]["computed"].items()}


def explanation(entity: int) -> ScoreExplanation:
    return ScoreExplanation(
        history_class="31–200 events",
        prior_events=40,
        calibration_size=9_999,
        probability_extrapolated=False,
        c1=80.0,
        c2=90.0,
        c3=100.0,
        bound="rank",
        first_occurrence=True,
        relative_rarity=1.0,
        typical=(("192.0.2.0/24", 40, 1.0),),
        network=f"198.51.{entity % 256}.0/24",
        cold_start=("young_job",),
    )


def results(context: ResultContext, entities: int) -> Iterator[ResultDocument]:
    """A day: 24 buckets, a record and an influencer of each entity, one more that is allowed, an incident, and an
    annotation."""
    for hour in range(24):
        score = 92.0 if hour == 9 else 0.0
        whole = BucketInfluencer(BUCKET_TIME, score, 2.0, 1e-5)
        bucket = Bucket(
            start=START + hour * HOUR, event_count=200, processing_time_ms=5, influencers=[whole],
            top_entities=["user-0"], unparsable_count=hour,
        ).document(context, STAMP)  # fmt: skip
        bucket.source["renormalized_at"] = (START + DAY) * 1_000
        yield bucket
    for number in range(entities):
        yield from found(context, number, f"user-{number}", 99.0 if number == 0 else 90.0 * number / entities)
    yield from found(context, 7, "allowed", 98.0, suppressed_by="vpn")
    yield next(found(context, 7, "again", 97.0, repeat_of="another"))
    yield from found(context, 7, "scheduled", 96.0, replace(STAMP, scheduled_events=("move", "test")))
    worst = tuple((each.id, each.source) for each in found(context, 0, "user-0", 99.0))
    one = Incident(worst).to_dict(context.job_id) | {"event.ingested": (START + DAY) * 1_000}
    yield ResultDocument(context.index_for(START), one["incident_id"], one)
    yield annotation(
        context, STAMP, start=START, end=START + HOUR, annotation_type="blind", text="no events for an hour"
    )


def found(
    context: ResultContext, number: int, entity: str, score: float, stamp: Stamp = STAMP, **more: Any
) -> Iterator[ResultDocument]:
    start, ip = START + number % 24 * HOUR, f"198.51.{number % 256}.{number // 256 % 256}"
    yield Record(
        start=start, entity=entity, ip=ip, probability=1e-6, record_score=score, actual=-5.0,
        typical=3.0, event_count=2, explanation=explanation(number),
        enrichment={"source.as.number": 64_500, "source.geo.country_iso_code": "SG", "source.network_type": ["vpn"]},
        **more,
    ).document(context, stamp)  # fmt: skip
    for field, value in (("user.name", entity), ("source.ip", ip)):
        yield Influencer(
            start=start, field=field, value=value, probability=1e-6, influencer_score=score,
            members=Members(1, 1, 0, 0, (ip if field == "user.name" else entity,), 2), **more,
        ).document(context, stamp)  # fmt: skip


def fill(cluster: Cluster, context: ResultContext, entities: int) -> None:
    ResultStore(
        cluster, context.job_id, results_index_name=context.results_index_name, flat_fields=context.flat_fields
    ).write(results(context, entities), 1)
    cluster.refresh(ALIAS)


def ask(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = server.call("POST", f"/{ALIAS}/_search", body)
    assert status == 200, answer
    return dict(answer)


def of_job(body: dict[str, Any], context: ResultContext) -> dict[str, Any]:
    return body | {"query": {"bool": {"filter": [body["query"], {"term": {"job_id": context.job_id}}]}}}
