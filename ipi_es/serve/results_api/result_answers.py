"""Answers of the results API: records, influencers, buckets and overall buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import RequestInvalid
from ipi_es.results.reading.overall import OverallFilter, overall
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_pages import page_order, read_page, records_of_buckets
from ipi_es.results.words import ResultKind
from ipi_es.serve.callers.caller import Caller
from ipi_es.serve.reading_rights import require_reading
from ipi_es.serve.results_api.arguments import Arguments
from ipi_es.serve.results_api.named_jobs import matching_jobs, one_job
from ipi_es.serve.services import Services
from ipi_es.times import iso

Answer = dict[str, Any]

MOST_EXPANDED = 500
"""Records that `expand` puts into a bucket."""

EXCLUDED_BY_TIMESTAMP = ("from", "size", "start", "end", "anomaly_score")
"""Parameters that ask for several buckets."""


def get_records(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with records."""
    job = one_job(services.jobs, path["job_id"])
    return _page(caller.cluster, job, "record", arguments, _filter(arguments, "record_score"), _unchanged)


def get_influencers(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with influencers."""
    job = one_job(services.jobs, path["job_id"])
    return _page(caller.cluster, job, "influencer", arguments, _filter(arguments, "influencer_score"), _one_value)


def get_buckets(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with buckets, or with the one that begins at a time."""
    job = one_job(services.jobs, path["job_id"])
    moment = arguments["timestamp"]
    if moment is None:
        answer = _page(caller.cluster, job, "bucket", arguments, _filter(arguments, "anomaly_score"), _unchanged)
    else:
        answer = _one_bucket(caller.cluster, job, moment, arguments)
    if arguments["expand"]:
        _expand(caller.cluster, job, answer["buckets"], interim=not arguments["exclude_interim"])
    return answer


def get_overall_buckets(services: Services, caller: Caller, path: Mapping[str, str], arguments: Arguments) -> Answer:
    """Answer with overall buckets."""
    jobs = matching_jobs(services.jobs, path["job_id"], arguments)
    where = OverallFilter(
        _seconds(arguments["start"]),
        _whole_seconds(arguments["end"]),
        bucket_span=arguments["bucket_span"],
        top_n=arguments["top_n"],
        min_score=arguments["overall_score"],
        interim=not arguments["exclude_interim"],
    )
    where.span_of(max((job.bucket_span for job in jobs), default=1))  # refused also where no job matches
    rows = overall(caller.cluster, {job.job_id: job.bucket_span for job in jobs}, where)
    if not rows:
        require_reading(caller.cluster)
    return {"count": len(rows), "overall_buckets": rows}


def with_human_times(value: Any) -> Any:
    """Return an answer with ``timestamp_string`` beside each ``timestamp``."""
    if isinstance(value, list):
        return [with_human_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, each in value.items():
        made[name] = with_human_times(each)
        if name == "timestamp" and isinstance(each, int):
            seconds, rest = divmod(each, 1_000)
            made["timestamp_string"] = f"{iso(seconds)[:-1]}.{rest:03d}Z"
    return made


def _page(
    cluster: Cluster,
    job: Job,
    kind: ResultKind,
    arguments: Arguments,
    where: ResultFilter,
    row: Callable[[Answer], Answer],
) -> Answer:
    first, size = arguments.page
    order = page_order(job, kind, arguments["sort"], desc=arguments["desc"])
    found = read_page(cluster, job.job_id, kind, where, order, first=first, size=size)
    if not found.total:
        require_reading(cluster)
    return {"count": found.total, f"{kind}s": [row(each.source) for each in found.documents]}


def _one_bucket(cluster: Cluster, job: Job, moment: int, arguments: Arguments) -> Answer:
    names = [name for name in (*EXCLUDED_BY_TIMESTAMP, "page") if name in arguments.given]
    if names:
        raise RequestInvalid(
            f"Param [timestamp] is incompatible with [{','.join(EXCLUDED_BY_TIMESTAMP)}]",
            hint=f"leave out {' and '.join(names)}, or the timestamp",
        )
    seconds, rest = divmod(moment, 1_000)
    where = ResultFilter(seconds, seconds + 1, interim=not arguments["exclude_interim"])
    order = page_order(job, "bucket", arguments["sort"], desc=arguments["desc"])
    found = [] if rest else read_page(cluster, job.job_id, "bucket", where, order, first=0, size=1).documents
    if not found:
        require_reading(cluster)
        raise RequestInvalid(
            f"No known bucket with timestamp [{moment}] of job [{job.job_id}]",
            hint="name the start of a bucket that is scored",
            status=404,
            kind="resource_not_found_exception",
        )
    return {"count": 1, "buckets": [each.source for each in found]}


def _expand(cluster: Cluster, job: Job, buckets: list[Answer], *, interim: bool) -> None:
    times = [int(bucket["timestamp"]) for bucket in buckets]
    records = records_of_buckets(cluster, job.job_id, times, interim=interim, most=MOST_EXPANDED)
    for bucket in buckets:
        if bucket["timestamp"] in records:
            bucket["records"] = records[bucket["timestamp"]]


def _filter(arguments: Arguments, score: str) -> ResultFilter:
    return ResultFilter(
        _seconds(arguments["start"]),
        _seconds(arguments["end"]),
        min_score=arguments[score] if arguments[score] > 0 else None,
        interim=not arguments["exclude_interim"],
    )


def _seconds(milliseconds: int | None) -> int | None:
    """Return the first whole second that is not before a time: results begin at whole seconds."""
    return None if milliseconds is None else -(-milliseconds // 1_000)


def _whole_seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1_000


def _unchanged(source: Answer) -> Answer:
    return source


def _one_value(source: Answer) -> Answer:
    """Return an influencer with its field as one value, as Elastic's have it; documents have a list."""
    name = source["influencer_field_name"]
    return {**source, name: source["influencer_field_value"]} if name in source else source
