"""The operations of the results API: their paths, their parameters, and what they answer with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ipi_es.serve.results_api.api_parameters import (
    BOOLEAN,
    DESC,
    DOUBLE,
    EXCLUDE_INTERIM,
    INTEGER,
    MOMENT,
    PAGING,
    RANGE,
    SPAN,
    TEXT,
    Parameter,
)

ROOTS = ("/_ml", "/_xpack/ml")
"""Where each path is found: the second is that of clients of the versions 5.4 to 7."""

JOB = "/anomaly_detectors/{job_id}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    name: str
    """Its name, as Elastic's clients have it."""
    paths: tuple[str, ...]
    """Behind a root, with ``{job_id}`` and the like."""
    summary: str
    rows: str
    """The name of the list in its answer, beside ``count``."""
    parameters: tuple[Parameter, ...] = ()
    methods: tuple[str, ...] = ("GET", "POST")


def _score(name: str) -> Parameter:
    return Parameter(name, DOUBLE, "Only results of at least this score.", 0.0)


def _sort(default: str) -> Parameter:
    return Parameter("sort", TEXT, "The field to sort by.", default)


_ASCENDING = replace(DESC, default=False)
_NO_MATCH = (
    Parameter("allow_no_match", BOOLEAN, "Whether a wildcard may match no job.", True),
    Parameter("allow_no_jobs", BOOLEAN, "The earlier name of allow_no_match."),
)

OPERATIONS = (
    Operation(
        "get_records",
        (f"{JOB}/results/records",),
        "Records: one pair of entity and address in one bucket.",
        "records",
        (*RANGE, *PAGING, EXCLUDE_INTERIM, _score("record_score"), _sort("record_score"), DESC),
    ),
    Operation(
        "get_influencers",
        (f"{JOB}/results/influencers",),
        "Influencers: one entity or address in one bucket.",
        "influencers",
        (*RANGE, *PAGING, EXCLUDE_INTERIM, _score("influencer_score"), _sort("influencer_score"), DESC),
    ),
    Operation(
        "get_buckets",
        (f"{JOB}/results/buckets", f"{JOB}/results/buckets/{{timestamp}}"),
        "Buckets of time, all or one.",
        "buckets",
        (
            *RANGE,
            *PAGING,
            EXCLUDE_INTERIM,
            Parameter("timestamp", MOMENT, "The start of one bucket; not together with a range or a page."),
            _score("anomaly_score"),
            Parameter("expand", BOOLEAN, "With the records of each bucket.", False),
            _sort("timestamp"),
            _ASCENDING,
        ),
    ),
    Operation(
        "get_overall_buckets",
        (f"{JOB}/results/overall_buckets",),
        "Overall buckets of several jobs: names, groups, wildcards, separated by commas, or _all.",
        "overall_buckets",
        (
            *RANGE,
            Parameter("top_n", INTEGER, "Jobs whose scores are averaged.", 1),
            Parameter("bucket_span", SPAN, "Span of the overall buckets; by default the longest of the jobs."),
            _score("overall_score"),
            EXCLUDE_INTERIM,
            *_NO_MATCH,
        ),
    ),
    Operation(
        "get_jobs",
        ("/anomaly_detectors", JOB),
        "The configuration of jobs.",
        "jobs",
        (*_NO_MATCH, Parameter("exclude_generated", BOOLEAN, "Without what only a running job has.", False)),
        ("GET",),
    ),
    Operation(
        "get_job_stats",
        ("/anomaly_detectors/_stats", f"{JOB}/_stats"),
        "The state of jobs, and what they have read.",
        "jobs",
        _NO_MATCH,
        ("GET",),
    ),
    Operation(
        "get_model_snapshots",
        (f"{JOB}/model_snapshots", f"{JOB}/model_snapshots/{{snapshot_id}}"),
        "The snapshots of a job.",
        "model_snapshots",
        (*RANGE, *PAGING, _sort("timestamp"), DESC),
    ),
    Operation(
        "get_calendars",
        ("/calendars", "/calendars/{calendar_id}"),
        "The calendars of scheduled events.",
        "calendars",
        PAGING,
    ),
    Operation(
        "get_calendar_events",
        ("/calendars/{calendar_id}/events",),
        "The scheduled events of a calendar, or of _all.",
        "events",
        (*RANGE, *PAGING, Parameter("job_id", TEXT, "Only events that concern this job.")),
        ("GET",),
    ),
)
