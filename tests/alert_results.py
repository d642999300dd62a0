"""Results that alerts must, and must not, see: for the tests on real servers and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ipi_es.results.documents.members import Members, Unusual
from ipi_es.results.documents.renormalized import renormalized, renormalized_bucket
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
)
from ipi_es.results.words import BUCKET_TIME

HOUR, MINUTE = 3_600, 60
NOW = 1_780_300_800
"""2026-06-01T08:00:00Z, when the alerts look."""
BUCKET = NOW - 2 * HOUR
"""Start of the bucket that everything but the late one is of."""
WRITTEN = NOW - 3 * MINUTE
"""In the window of the look at NOW, with the default interval of five minutes: [NOW − 360 s, NOW − 60 s)."""
THRESHOLD = 75.0

STAMP = Stamp("snap-1", "q-1", ingested=WRITTEN)


def record(context: ResultContext, entity: str, ip: str, score: float, **more: Any) -> ResultDocument:
    stamp = more.pop("stamp", STAMP)
    start = more.pop("start", BUCKET)
    return Record(
        start=start, entity=entity, ip=ip, probability=1e-6, record_score=score, actual=-5.0,
        typical=3.0, event_count=2, explanation={"class": "some", "prior_events": 40}, **more,
    ).document(context, stamp)  # fmt: skip


def influencer(context: ResultContext, value: str, score: float, **more: Any) -> ResultDocument:
    stamp = more.pop("stamp", STAMP)
    start = more.pop("start", BUCKET)
    members = Members(5, 4, 0, 0, ("198.51.100.7", "203.0.113.9", "203.0.113.10", "203.0.113.11", "203.0.113.12"), 7)
    return Influencer(
        start=start, field="user.name", value=value, probability=1e-6, influencer_score=score,
        members=members, **more,
    ).document(context, stamp)  # fmt: skip


def tried_address(context: ResultContext, score: float) -> ResultDocument:
    """An address over 45 accounts."""
    return Influencer(
        start=BUCKET,
        field=context.ip_field,
        value="203.0.113.66",
        probability=1e-6,
        influencer_score=score,
        members=Members(45, 41, 0, 0, ("alice", 'b"ob', "carol", "dave"), 50),
    ).document(context, STAMP)


def bucket(context: ResultContext, start: int, score: float, *, stamp: Stamp = STAMP, new: int = 2) -> ResultDocument:
    return Bucket(
        start=start,
        event_count=90,
        processing_time_ms=3,
        influencers=[BucketInfluencer(BUCKET_TIME, score, 2.0, 1e-6)],
        top_entities=["alice", 'b"ob'],
        top_ips=["198.51.100.7"],
        max_record_score=score,
        record_count=2,
        new_record_count=new,
        unusual=Unusual(2, 2, 1, 2),
    ).document(context, stamp)


def rescored(made: ResultDocument, score: float) -> ResultDocument:
    """The same result after a renormalization to ``score``."""
    if made.source["result_type"] == "bucket":
        source = renormalized_bucket(made.source, scores={BUCKET_TIME: score}, quantiles_id="q-2", at=NOW - MINUTE)
    else:
        source = renormalized(made.source, score=score, quantiles_id="q-2", at=NOW - MINUTE)
    return replace(made, source=source)


AT = {name: STAMP.__class__("snap-1", "q-1", ingested=moment) for name, moment in {
    "first second": NOW - 6 * MINUTE, "second before": NOW - 6 * MINUTE - 1, "last second": NOW - MINUTE - 1,
    "second after": NOW - MINUTE,
}.items()}  # fmt: skip
INTERIM = replace(STAMP, is_interim=True)
SCHEDULED = replace(STAMP, scheduled_events=("move",))
LATE = replace(STAMP, revision=1, rescored_at=WRITTEN)


def records(context: ResultContext) -> tuple[list[ResultDocument], set[tuple[int, str]]]:
    """All records, and (bucket, entity) of those that must alert."""
    late = BUCKET - HOUR
    made = [
        record(context, 'al"ice', "198.51.100.7", 80.0),
        record(context, 'al"ice', "203.0.113.9", 95.0),  # the same alert
        record(context, "below", "198.51.100.7", 74.9),
        record(context, "at", "198.51.100.7", 75.0),
        record(context, "interim", "198.51.100.7", 99.0, stamp=INTERIM),
        record(context, "suppressed", "198.51.100.7", 99.0, suppressed_by="vpn"),
        record(context, "repeat", "198.51.100.7", 99.0, repeat_of="x"),
        record(context, "scheduled", "198.51.100.7", 99.0, stamp=SCHEDULED),
        rescored(record(context, "up", "198.51.100.7", 50.0), 99.0),
        rescored(record(context, "down", "198.51.100.7", 90.0), 10.0),
        record(context, "late", "198.51.100.7", 90.0, start=late, stamp=LATE),
        record(context, "old", "198.51.100.7", 99.0, start=NOW - 30 * 24 * HOUR),
        *(record(context, name, "198.51.100.7", 90.0, stamp=stamp) for name, stamp in AT.items()),
    ]
    fires = ['al"ice', "at", "down", "first second", "last second"]
    return made, {(BUCKET, entity) for entity in fires} | {(late, "late")}


def influencers(context: ResultContext) -> tuple[list[ResultDocument], set[tuple[int, str]]]:
    made = [
        influencer(context, "alice", 80.0),
        tried_address(context, 90.0),
        influencer(context, "below", 74.0),
        influencer(context, "interim", 99.0, stamp=INTERIM),
        influencer(context, "suppressed", 99.0, suppressed_by="vpn"),
        influencer(context, "repeat", 99.0, repeat_of="x"),
        influencer(context, "scheduled", 99.0, stamp=SCHEDULED),
        rescored(influencer(context, "up", 50.0), 99.0),
        rescored(influencer(context, "down", 90.0), 10.0),
        *(influencer(context, name, 90.0, stamp=stamp) for name, stamp in AT.items()),
    ]
    return made, {(BUCKET, value) for value in ("alice", "203.0.113.66", "down", "first second", "last second")}


def buckets(context: ResultContext) -> tuple[list[ResultDocument], set[tuple[int, str]]]:
    starts = [BUCKET - hour * HOUR for hour in range(12)]
    made = [
        bucket(context, starts[0], 80.0),
        bucket(context, starts[1], 74.0),
        bucket(context, starts[2], 99.0, stamp=INTERIM),
        bucket(context, starts[3], 99.0, new=0),  # nothing but repeats
        rescored(bucket(context, starts[4], 50.0), 99.0),
        rescored(bucket(context, starts[5], 90.0), 10.0),
        *(bucket(context, start, 90.0, stamp=stamp) for start, stamp in zip(starts[6:], AT.values(), strict=False)),
        bucket(context, starts[10], 99.0, stamp=SCHEDULED),
    ]
    return made, {(starts[place], "") for place in (0, 5, 6, 8)}


SEEDS = {"records": records, "influencers": influencers, "buckets": buckets}
