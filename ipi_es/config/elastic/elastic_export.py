"""Read the forms of Elastic ML's jobs and datafeeds: the API's answers, Kibana's exports and modules, plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ipi_es.config.files.nearest import did_you_mean
from ipi_es.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ElasticJob:
    """One job and its datafeed, in Elastic's form."""

    job: dict[str, Any]
    datafeed: dict[str, Any] | None


def read_export(job: Any, datafeed: Any = None, *, job_id: str | None = None, name: str) -> ElasticJob:
    """Return the only job in ``job`` (or that with ``job_id``) and its datafeed: in it, beside it, or in ``datafeed``.

    A single job without a name (Kibana's modules leave it empty) is named ``job_id``. Raises ConfigError if that isn't
    exactly one job with a name, or if the datafeed belongs to another job.
    """
    chosen = _choose(list(_jobs(job)), job_id, name)
    feed = chosen.datafeed
    if datafeed is not None:
        feed = _datafeed_of(chosen.job, datafeed, name)
    if feed is not None and feed.get("job_id") not in (None, "", chosen.job.get("job_id")):
        raise ConfigError(
            f"the datafeed belongs to the job “{feed['job_id']}”, not to “{chosen.job.get('job_id')}”", place=name
        )
    return ElasticJob(chosen.job, feed)


def _jobs(data: Any) -> Iterator[ElasticJob]:
    if isinstance(data, list):
        for item in data:
            yield from _jobs(item)
    elif isinstance(data, dict) and isinstance(data.get("jobs"), list):
        feeds = {feed.get("job_id"): feed for feed in map(_config, data.get("datafeeds") or ())}
        for found in _jobs(data["jobs"]):
            yield ElasticJob(found.job, found.datafeed or feeds.get(found.job.get("job_id")))
    elif isinstance(data, dict) and isinstance(data.get("job"), dict):
        for found in _jobs(data["job"]):
            beside = data.get("datafeed")
            yield ElasticJob(found.job, beside if isinstance(beside, dict) else found.datafeed)
    elif isinstance(data, dict) and isinstance(data.get("config"), dict):  # of a module: the name is beside
        for found in _jobs(data["config"]):
            yield ElasticJob({**found.job, "job_id": found.job.get("job_id") or data.get("id")}, found.datafeed)
    elif isinstance(data, dict) and ("analysis_config" in data or "job_id" in data):
        inside = data.get("datafeed_config")
        yield ElasticJob(data, inside if isinstance(inside, dict) else None)


def _config(feed: Any) -> dict[str, Any]:
    """Return a datafeed: one of a module has its settings below ``config``, and its job's name in them or nowhere."""
    if not isinstance(feed, dict):
        return {}
    inner = feed.get("config")
    return inner if isinstance(inner, dict) else feed


def _choose(jobs: list[ElasticJob], job_id: str | None, name: str) -> ElasticJob:
    if len(jobs) == 1 and not jobs[0].job.get("job_id"):
        if not job_id:
            raise ConfigError("holds a job without a name", place=name, hint="name it: --job-id NAME")
        return ElasticJob({**jobs[0].job, "job_id": job_id}, jobs[0].datafeed)
    names = [str(found.job.get("job_id")) for found in jobs]
    if not jobs:
        hint = "give what GET _ml/anomaly_detectors/JOB answers, or what Kibana exports"
        raise ConfigError("holds no Elastic ML anomaly detection job", place=name, hint=hint)
    if job_id is not None:
        if job_id not in names:
            hint = f"it holds {', '.join(names)}; a new name is set in the file that is written"
            raise ConfigError(f"holds no job “{job_id}”{did_you_mean(job_id, names)}", place=name, hint=hint)
        return jobs[names.index(job_id)]
    if len(jobs) > 1:
        raise ConfigError(f"holds {len(jobs)} jobs: {', '.join(names)}", place=name, hint="say which one by its job_id")
    return jobs[0]


def _datafeed_of(job: dict[str, Any], data: Any, name: str) -> dict[str, Any]:
    if isinstance(data, dict) and isinstance(data.get("datafeeds"), list):
        data = data["datafeeds"]
    feeds = [_config(feed) for feed in (data if isinstance(data, list) else [data])]
    of_job = [feed for feed in feeds if feed.get("job_id") == job.get("job_id")]
    if len(feeds) == 1 and feeds[0]:
        return feeds[0]
    if len(of_job) != 1:
        raise ConfigError(f"{len(of_job)} of {len(feeds)} datafeeds are of the job “{job.get('job_id')}”", place=name)
    return of_job[0]
