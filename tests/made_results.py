"""Result documents for tests of the store, and a store for them."""

from __future__ import annotations

from typing import Any

from ipi_es.cluster.port import Cluster, Document
from ipi_es.results.documents import result_documents
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
)
from ipi_es.results.store import ResultStore
from ipi_es.results.words import BUCKET_TIME

HOUR = 3_600
START = 1_780_268_400  # 2026-05-31T23:00:00Z: the next bucket lies in another month, and so in another index
STAMP = Stamp("snap-1", "q-1", ingested=START)


def store_of(cluster: Cluster, context: ResultContext, **limits: int) -> ResultStore:
    fields = context.flat_fields
    return ResultStore(cluster, context.job_id, context.results_index_name, flat_fields=fields, **limits)


def record(
    context: ResultContext,
    start: int = START,
    *,
    entity: str = "alice",
    ip: str = "198.51.100.7",
    score: float = 80.0,
    stamp: Stamp = STAMP,
    **fields: str,
) -> ResultDocument:
    return Record(
        start=start,
        entity=entity,
        ip=ip,
        probability=1e-6,
        record_score=score,
        actual=-5.0,
        typical=3.0,
        event_count=1,
        explanation={"class": "1–5 events", "c1": 1.0, "c2": 2.0, "c3": 3.0, "bound": "rank"},
        **fields,
    ).document(context, stamp)


def influencer(
    context: ResultContext, start: int = START, *, ip: str = "198.51.100.7", score: float = 80.0, **fields: Any
) -> ResultDocument:
    return Influencer(
        start=start, field="source.ip", value=ip, probability=1e-9, influencer_score=score, **fields
    ).document(context, STAMP)


def bucket(
    context: ResultContext, start: int = START, *, score: float = 40.0, stamp: Stamp = STAMP, **more: Any
) -> ResultDocument:
    whole = BucketInfluencer(BUCKET_TIME, score, 2.0, 1e-5)
    made: dict[str, Any] = {"event_count": 9, "processing_time_ms": 1, "influencers": [whole], **more}
    return Bucket(start=start, **made).document(context, stamp)


def annotation(context: ResultContext) -> ResultDocument:
    return result_documents.annotation(
        context, STAMP, start=START, end=START + HOUR, annotation_type="delayed_data", text="12 events came late"
    )


def entity_of(document: Document) -> str:
    return document.source["partition_field_value"]
