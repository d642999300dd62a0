"""Answers about jobs: their configuration, state, snapshots and calendars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ipi_es
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import NotFound, RequestInvalid
from ipi_es.results.reading.queries import ResultFilter, results_query
from ipi_es.results.words import ALIAS
from ipi_es.serve.callers.caller import Caller
from ipi_es.serve.reading_rights import require_reading
from ipi_es.serve.results_api.arguments import Arguments
from ipi_es.serve.results_api.named_jobs import matching_jobs, one_job
from ipi_es.serve.services import Services
from ipi_es.state.blobs import BlobStore
from ipi_es.state.calendar_store import CALENDARS_INDEX, CalendarStore, StoredEvent
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.times import format_span, to_ms
from ipi_es.worker.training.snapshot_inventory import SnapshotInventory, trained_to

Answer = dict[str, Any]

COUNTS = {
    "processed_record_count": ("event_count",),
    "missing_field_count": ("missing_entity_count", "missing_ip_count"),
    "invalid_address_count": ("malformed_ip_count",),
}
"""Name in the answer → fields of buckets that it adds up."""


def get_jobs(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with the configuration of jobs."""
    jobs = matching_jobs(services.jobs, path.get("job_id", "_all"), arguments)
    require_reading(caller.cluster)
    return _listed("jobs", [_configuration(job, generated=not arguments["exclude_generated"]) for job in jobs])


def get_job_stats(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with the state of jobs."""
    jobs = matching_jobs(services.jobs, path.get("job_id", "_all"), arguments)
    require_reading(caller.cluster)
    states = StateStore(caller.cluster)
    return _listed("jobs", [_stats(caller.cluster, job, states.read(job.job_id)) for job in jobs])


def get_model_snapshots(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with the snapshots of a job."""
    job = one_job(services.jobs, path["job_id"])
    require_reading(caller.cluster, SNAPSHOT_INDEX)
    directory = services.settings.snapshots.directory
    blobs: BlobStore = ClusterBlobs(caller.cluster) if directory is None else DirectoryBlobs(directory)
    state = StateStore(caller.cluster).read(job.job_id)
    inventory = SnapshotInventory.of(job.job_id, blobs, state)
    wanted = path.get("snapshot_id", "_all")
    rows = [
        {
            "job_id": job.job_id,
            "snapshot_id": info.id,
            "timestamp": to_ms(info.created),
            "latest_record_time_stamp": to_ms(trained_to(info)),
            "size_bytes": info.size + sum(part.size for part in inventory.parts(info.id)),
            "in_use": inventory.uses(info.id),
        }
        for info in inventory.networks
        if wanted in ("_all", "*", info.id)
    ]
    if not rows and wanted not in ("_all", "*"):
        raise _missing(f"No model snapshot [{wanted[:100]}] of job [{job.job_id}]", "leave out the snapshot to see all")
    sort = arguments["sort"]
    if rows and sort not in rows[0]:
        raise RequestInvalid(f"model snapshots can't be sorted by [{sort[:100]}]", hint="sort by timestamp")
    rows.sort(key=lambda row: (row[sort], row["timestamp"], row["snapshot_id"]), reverse=arguments["desc"])
    return _paged("model_snapshots", _between(rows, "timestamp", "timestamp", arguments), arguments)


def get_calendars(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:  # noqa: ARG001
    """Answer with the calendars that scheduled events belong to."""
    events = _calendar_events(caller.cluster, path.get("calendar_id", "_all"))
    jobs: dict[str, set[str]] = {}
    for event in events:
        if event.calendar_id is not None:
            jobs.setdefault(event.calendar_id, set()).update(event.jobs or ["_all"])
    rows = [{"calendar_id": name, "job_ids": sorted(of_jobs)} for name, of_jobs in sorted(jobs.items())]
    return _paged("calendars", rows, arguments)


def get_calendar_events(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:  # noqa: ARG001
    """Answer with scheduled events."""
    job_id = arguments["job_id"]
    rows = [
        {
            "event_id": event.name,
            "description": event.description or event.name,
            "start_time": to_ms(event.start),
            "end_time": to_ms(event.end),
        }
        | ({} if event.calendar_id is None else {"calendar_id": event.calendar_id})
        for event in _calendar_events(caller.cluster, path["calendar_id"])
        if job_id is None or event.concerns(job_id)
    ]
    return _paged("events", _between(rows, "end_time", "start_time", arguments), arguments)


def _calendar_events(cluster: Cluster, wanted: str) -> Sequence[StoredEvent]:
    """Return the events of a calendar, or of all. Raises RequestInvalid (404) where it has none."""
    require_reading(cluster, CALENDARS_INDEX)
    events = CalendarStore(cluster).all().events
    if wanted in ("_all", "*"):
        return events
    found = [event for event in events if event.calendar_id == wanted]
    if not found:
        raise _missing(f"No calendar with id [{wanted[:100]}]", "GET /_ml/calendars lists them")
    return found


def _configuration(job: Job, *, generated: bool) -> Answer:
    detector = job.detector
    made: Answer = {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "description": job.description,
        "groups": list(job.groups),
        "analysis_config": {
            "bucket_span": format_span(job.bucket_span),
            "detectors": [
                {
                    "detector_description": detector.detector_description
                    or f"rare by {job.ip_field} partition by {job.entity_field}",
                    "function": detector.function,
                    "by_field_name": job.ip_field,
                    "partition_field_name": job.entity_field,
                    "detector_index": 0,
                }
            ],
            "influencers": list(job.influencers),
        },
        "data_description": {"time_field": job.time_field, "time_format": "epoch_ms"},
        "results_index_name": job.results_index_name,
        "model_snapshot_retention_days": job.model_snapshot_retention_days,
        "datafeed_config": {
            "datafeed_id": job.job_id,
            "job_id": job.job_id,
            "indices": list(job.datafeed_config.indices),
            "query": job.datafeed_config.query,
            "query_delay": format_span(job.query_delay),
            "frequency": format_span(job.frequency),
        },
    }
    if job.results_retention_days is not None:
        made["results_retention_days"] = job.results_retention_days
    return made | ({"job_version": ipi_es.__version__} if generated else {})


def _stats(cluster: Cluster, job: Job, state: JobState | None) -> Answer:
    found = _sums(cluster, job.job_id)
    counts: Answer = {"job_id": job.job_id, "bucket_count": found["bucket_count"]}
    counts |= {name: sum(found[field] for field in fields) for name, fields in COUNTS.items()}
    if found["first"] is not None:
        counts |= {"earliest_record_timestamp": found["first"], "latest_bucket_timestamp": found["last"]}
    if state is not None and state.checkpoint is not None:
        counts["latest_record_timestamp"] = to_ms(state.checkpoint) - 1
    timing: Answer = {"job_id": job.job_id, "bucket_count": found["bucket_count"]}
    timing["total_bucket_processing_time_ms"] = found["processing_time_ms"]
    made = {"job_id": job.job_id, "state": _state(state), "data_counts": counts, "timing_stats": timing}
    if state is not None and state.snapshot_id is not None:
        made["model_snapshot_id"] = state.snapshot_id
    if state is not None and state.details.last_error is not None:
        made["assignment_explanation"] = f"{state.details.last_error.kind}: {state.details.last_error.text}"
    return made


def _state(state: JobState | None) -> str:
    """Return Elastic's word for a job's state: `opened` where it is scored as buckets become complete."""
    if state is None or state.paused:
        return "closed"
    if state.details.last_error is not None:
        return "failed"
    return "opening" if state.checkpoint is None else "opened"


def _sums(cluster: Cluster, job_id: str) -> Answer:
    """Return the number of a job's final buckets, what they add up to, and the times of the first and the last."""
    names = [*{field for fields in COUNTS.values() for field in fields}, "processing_time_ms"]
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": results_query(job_id, ["bucket"], ResultFilter(interim=False)),
        "aggs": {name: {"sum": {"field": name}} for name in names}
        | {"first": {"min": {"field": "timestamp"}}, "last": {"max": {"field": "timestamp"}}},
    }
    try:
        answer = cluster.search(ALIAS, body)
    except NotFound:
        answer = {"hits": {"total": {"value": 0}}}
    found = answer.get("aggregations") or {}
    values = {name: found.get(name, {}).get("value") for name in (*names, "first", "last")}
    return {
        "bucket_count": int(answer["hits"]["total"]["value"]),
        **{name: int(values[name] or 0) for name in names},
        **{name: None if values[name] is None else int(values[name]) for name in ("first", "last")},
    }


def _between(rows: Iterable[Answer], from_field: str, to_field: str, arguments: Arguments) -> list[Answer]:
    """Return the rows that end after ``start`` and begin before ``end``; a row of one moment may be at ``start``."""
    start, end = arguments["start"], arguments["end"]
    moment = from_field == to_field
    return [
        row
        for row in rows
        if (start is None or row[from_field] > start or (moment and row[from_field] == start))
        and (end is None or row[to_field] < end)
    ]


def _listed(name: str, rows: list[Answer]) -> Answer:
    return {"count": len(rows), name: rows}


def _paged(name: str, rows: list[Answer], arguments: Arguments) -> Answer:
    first, size = arguments.page
    return {"count": len(rows), name: rows[first : first + size]}


def _missing(reason: str, hint: str) -> RequestInvalid:
    return RequestInvalid(reason, hint=hint, status=404, kind="resource_not_found_exception")
