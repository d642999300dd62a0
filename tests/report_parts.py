"""Findings for the report's tests, made by the functions that write results; names as hostile as a log can hold."""

from __future__ import annotations

from typing import Any

from ipi_es.config.files.loading import check_job
from ipi_es.report.learned import ClassLearned, JobKnowledge
from ipi_es.report.report_findings import Findings
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.explanation import ScoreExplanation
from ipi_es.results.documents.result_documents import Bucket, BucketInfluencer, Influencer, Record, ResultContext, Stamp
from ipi_es.results.reading.incident_grouping import group_incidents, takes_part
from ipi_es.results.reading.incidents_there import incident_rows

START, HOUR, DAY = 1_779_408_000, 3_600, 86_400
"""2026-05-22T00:00:00Z."""
SCRIPT = "<script>alert(1)</script>"
QUOTES = "\"'><img src=x onerror=alert(1)>"
TEMPLATE = "{{ 7 * 7 }}{% raw %}</style>"
TURNED = "evil\u202etxt.exe\x1b[31m\x00"
HOSTILE = (SCRIPT, QUOTES, TEMPLATE, TURNED, "a" * 3_000, "用户 émoji 😀")
JOB = check_job(
    {
        "job_id": "logins",
        "description": f"Sign-ins {SCRIPT}",
        "analysis_config": {"bucket_span": "1h"},
        "datafeed_config": {"indices": ["logs"]},
    }
)
CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip", ("user.name", "source.ip"))
STAMP = Stamp("20260522T000000Z-1f3a9c0b", "q", START)
WHY = ScoreExplanation(
    history_class="31–200 events",
    prior_events=142,
    calibration_size=55_636,
    probability_extrapolated=True,
    c1=99.0,
    c2=99.5,
    c3=101.0,
    bound="rank",
    first_occurrence=True,
    relative_rarity=1.0,
    typical=(("203.0.113.0/24", 30, 0.75), ("2001:db8::/48", 10, 0.25)),
    longest_shared_prefix=2,
    network="198.51.100.0/24",
    network_new_to_everybody=True,
    cold_start=("young_job",),
)
YOUNG = JobKnowledge(
    "20260522T000000Z-1f3a9c0b",
    START,
    10,
    (
        ClassLearned("no events", 12, ("1–5 events",), 700, 1 / 701, extrapolated=False),
        ClassLearned("more than 200 events", 9_904, (), 9_904, 1 / 9_905, extrapolated=True),
    ),
)


def record(
    entity: str = "alice", ip: str = "198.51.100.7", score: float = 80.0, hour: int = 1, **more: Any
) -> dict[str, Any]:
    given: dict[str, Any] = {"probability": 1e-4, "actual": -7.0, "typical": 4.0, "event_count": 2, "explanation": WHY}
    return (
        Record(start=START + hour * HOUR, entity=entity, ip=ip, record_score=score, **(given | more))
        .document(CONTEXT, STAMP)
        .source
    )


def influencer(field: str, value: str, score: float, hour: int = 1, **more: Any) -> dict[str, Any]:
    return (
        Influencer(
            start=START + hour * HOUR,
            field=field,
            value=value,
            probability=1e-4,
            influencer_score=score,
            **more,
        )
        .document(CONTEXT, STAMP)
        .source
    )


def bucket(hour: int, score: float = 0.0, events: int = 100) -> dict[str, Any]:
    said = [BucketInfluencer("bucket_time", score, score, 0.01)]
    return (
        Bucket(
            start=START + hour * HOUR,
            event_count=events,
            processing_time_ms=3,
            influencers=said,
            record_count=1,
        )
        .document(CONTEXT, STAMP)
        .source
    )


def note(text: str) -> dict[str, Any]:
    return Annotation("user", START, START + HOUR, text).document(CONTEXT, STAMP).source


def findings(days: int = 1, **parts: Any) -> Findings:
    """One day of quiet buckets with the given records, influencers and annotations."""
    given = {"buckets": [bucket(hour, 60.0 if hour == 1 else 0.0) for hour in range(24 * days)]}
    results = [*parts.get("influencers", ()), *parts.get("records", ())]
    part = [(str(place), each) for place, each in enumerate(results) if takes_part(each)]
    made = [each.to_dict(JOB.job_id) for each in group_incidents(part, JOB.incident_gap)]
    given["incidents"] = incident_rows(made, closed=False)
    return Findings(JOB, START, START + days * DAY, **(given | parts))


def hostile() -> Findings:
    """Every name from outside tries to be more than a name."""
    records = [record(name, f"198.51.100.{place}", 90.0 - place) for place, name in enumerate(HOSTILE)]
    records.append(
        record("bob", "192.0.2.1", 10.0, enrichment={"source.as.number": 64_500, "source.as.organization.name": SCRIPT})
    )
    influencers = [influencer("user.name", name, 90.0 - place) for place, name in enumerate(HOSTILE)]
    influencers += [influencer("source.ip", f"198.51.100.{place}", 60.0) for place in range(len(HOSTILE))]
    return findings(records=records, influencers=influencers, annotations=[note(QUOTES), note(TEMPLATE)])
