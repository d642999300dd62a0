"""Alerts found in a job's results, by the same rules as the definitions for consoles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ipi_es.alerts.dashboard_links import blind_link, finding_link
from ipi_es.alerts.kinds import SCORED, Kind, ScoredKind
from ipi_es.alerts.message import Message, named
from ipi_es.cluster.port import Cluster, Document
from ipi_es.config.given_verdict import CLOSING
from ipi_es.config.job_config import Job
from ipi_es.results.documents.annotations import GOES_ON
from ipi_es.results.reading.queries import CLOSED
from ipi_es.results.words import ALERT_ID, ALIAS, INCIDENT, INCIDENT_SCORE, NO_ALARM, SCORE_FIELDS
from ipi_es.scoring.probability import severity
from ipi_es.times import from_ms, to_ms

NAMED = 10
"""Entities and networks of an incident that a webhook gets."""

REASONS = 3
"""Sentences of an incident's message, in order of time; the document has all."""

KIND_OF = {result: kind for kind, result in SCORED.items()}
"""Type of a result → the kind of its alerts."""


@dataclass(frozen=True, slots=True)
class FoundAlert:
    """One alert, and when the newest and the oldest of its results were written, epoch milliseconds."""

    message: Message
    written: int
    first_written: int


def find(cluster: Cluster, job: Job, since: int, now: int) -> list[FoundAlert]:
    """Find alerts whose results were written at or after ``since`` (epoch milliseconds); ``now`` in epoch seconds.

    There is one for each bucket, each (bucket, influencer), each (bucket, entity) of records, and each bucket's `blind`
    annotations, with the score and the reason of its worst result; and one for each level that an incident reaches.
    """
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in cluster.scan(ALIAS, _query(job, since, now)):
        groups.setdefault(alert_key(document.source), []).append(document)
    found = [_found(job, documents) for documents in groups.values()]
    return [each for each in found if each is not None]


def _query(job: Job, since: int, now: int) -> dict[str, Any]:
    config = job.alerts
    recent = {"gte": to_ms(now - config.max_age), "format": "epoch_millis"}
    kinds = [_incidents(job, recent) if kind == "incidents" else _scored(job, kind, recent) for kind in config.on]
    of_blindness: list[dict[str, Any]] = [
        {"term": {"result_type": "annotation"}},
        {"term": {"annotation_type": "blind"}},
        {"range": {"timestamp": recent}},
    ]
    blind = {"bool": {"filter": of_blindness}}
    return {
        "bool": {
            "filter": [
                {"term": {"job_id": job.job_id}},
                {"term": {"is_interim": False}},
                {"range": {"event.ingested": {"gte": since, "format": "epoch_millis"}}},
                {"bool": {"should": [*kinds, blind], "minimum_should_match": 1}},
            ],
            "must_not": [*({"exists": {"field": field}} for field in NO_ALARM), CLOSED],
        }
    }


def _incidents(job: Job, recent: Mapping[str, Any]) -> dict[str, Any]:
    """Select incidents that no verdict closed; an incident is as recent as its last bucket."""
    filters: list[dict[str, Any]] = [
        {"term": {"result_type": INCIDENT}},
        {"range": {INCIDENT_SCORE: {"gte": job.alerts.threshold}}},
        {"range": {"end_timestamp": recent}},
    ]
    return {"bool": {"filter": filters, "must_not": [{"terms": {"state": list(CLOSING)}}]}}


def _scored(job: Job, kind: ScoredKind, recent: Mapping[str, Any]) -> dict[str, Any]:
    filters: list[dict[str, Any]] = [
        {"term": {"result_type": SCORED[kind]}},
        {"range": {"timestamp": recent}},
        {"range": {score_field(job, kind): {"gte": job.alerts.threshold}}},
    ]
    if kind == "buckets":
        filters.append({"range": {"new_record_count": {"gte": 1}}})  # a bucket with repeats only raises no alert
    return {"bool": {"filter": filters}}


def score_field(job: Job, kind: ScoredKind) -> str:
    """Return the field of the score that is compared with the threshold."""
    score = SCORE_FIELDS[SCORED[kind]]
    return f"initial_{score}" if job.alerts.score == "initial" else score


def alert_key(source: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what distinguishes one alert from others: results with the same key are one."""
    kind, start = str(source["result_type"]), str(source["timestamp"])
    if kind == INCIDENT:
        return kind, str(source[ALERT_ID]), str(source["severity"])  # two that were one until now call together
    if kind == "record":
        return kind, start, str(source["partition_field_value"])
    if kind == "influencer":
        return kind, start, str(source["influencer_field_name"]), str(source["influencer_field_value"])
    return kind, start


def _found(job: Job, documents: list[Document]) -> FoundAlert | None:
    sources = [document.source for document in documents]
    key = alert_key(sources[0])
    if key[0] == "annotation":
        if not any(source.get("blind_state") in GOES_ON for source in sources):
            return None  # the blindness has ended
        message = _blind(job, sources[0])
    elif key[0] == INCIDENT:
        message = _incident(job, max(sources, key=lambda source: (source[INCIDENT_SCORE], source["incident_id"])))
    else:
        message = _of_scores(job, KIND_OF[sources[0]["result_type"]], key, sources)
    written = [_millis(source["event.ingested"]) for source in sources]
    return FoundAlert(message, max(written), min(written))


def _of_scores(job: Job, kind: ScoredKind, key: tuple[str, ...], sources: Iterable[Mapping[str, Any]]) -> Message:
    field = score_field(job, kind)
    ranked = sorted(sources, key=lambda source: -float(source[field]))
    worst, score = ranked[0], float(ranked[0][field])
    found = names_of(job, kind, ranked)
    when, word = from_ms(worst["timestamp"]), str(severity(score))
    return Message(
        # a rescored bucket may alert again if its severity is higher: another id
        id="|".join((job.job_id, kind, *key[1:], word)),
        job_id=job.job_id,
        alert=kind,
        when=when,
        severity=word,
        why=str(worst.get("reason") or _why(kind, worst)),
        score=score,
        who=named(found.entities, found.entity_count),
        where=named(found.addresses, found.address_count),
        link=finding_link(job, when, found.entities, found.addresses, kind=kind),
        entities=found.entities,
        addresses=found.addresses,
        entity_count=found.entity_count,
        address_count=found.address_count,
    )


def _incident(job: Job, source: Mapping[str, Any]) -> Message:
    """Return the message for an incident, the same one for a level however it is joined with others later."""
    when, word = from_ms(source["timestamp"]), str(source["severity"])
    entities, networks = tuple(map(str, source["entities"])), tuple(map(str, source["networks"]))
    counts = int(source["entity_count"]), int(source["network_count"])
    return Message(
        id="|".join((job.job_id, "incidents", str(source[ALERT_ID]), word)),
        job_id=job.job_id,
        alert="incidents",
        when=when,
        severity=word,
        why=" ".join(source["reasons"][:REASONS]),
        score=float(source[INCIDENT_SCORE]),
        who=named(entities, counts[0]),
        where=named(networks, counts[1]),
        link=finding_link(job, when, entities, networks, kind="incidents", incident=str(source["incident_id"])),
        entities=entities[:NAMED],
        addresses=networks[:NAMED],
        entity_count=counts[0],
        address_count=counts[1],
    )


class FoundNames(NamedTuple):
    """Entities and addresses that a finding names, the worst first, and how many there are in all."""

    entities: tuple[str, ...]
    entity_count: int
    addresses: tuple[str, ...]
    address_count: int


def names_of(job: Job, kind: Kind, ranked: Sequence[Mapping[str, Any]]) -> FoundNames:
    """Return the names of one alert's results, ``ranked`` by score, the worst first."""
    worst = ranked[0]
    if kind == "records":
        where = tuple(dict.fromkeys(str(source["by_field_value"]) for source in ranked))
        return FoundNames((str(worst["partition_field_value"]),), 1, where, len(where))
    entities, addresses = (tuple(map(str, worst.get(name) or ())) for name in ("top_entities", "top_ips"))
    if kind == "buckets":
        counts = (int(worst.get(f"unusual_{what}_count") or 0) for what in ("entity", "ip"))
        entity_count, address_count = counts
        return FoundNames(entities, max(entity_count, len(entities)), addresses, max(address_count, len(addresses)))
    value = (str(worst["influencer_field_value"]),)
    if worst["influencer_field_name"] == job.ip_field:
        return FoundNames(entities, int(worst.get("entity_count") or len(entities)), value, 1)
    return FoundNames(value, 1, addresses, int(worst.get("ip_count") or len(addresses)))


def _why(kind: Kind, worst: Mapping[str, Any]) -> str:
    """Return a reason for results of older versions, which have none."""
    if kind == "influencers":
        return f"Unusual over all its records of this bucket: probability {float(worst['probability']):.2g}."
    count = int(worst["new_record_count"])
    return f"{count:,} new record{'' if count == 1 else 's'}."


def _blind(job: Job, source: Mapping[str, Any]) -> Message:
    start = from_ms(source["timestamp"])
    alert_id = f"{job.job_id}|blind|{source['timestamp']}"
    return Message(
        alert_id, job.job_id, "blind", start, "critical", str(source["annotation"]), link=blind_link(job, start)
    )


def _millis(value: Any) -> int:
    return int(value)
