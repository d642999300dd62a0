"""The jobs that a path names. Only configured jobs are ever asked for: a name from a request is never put into one."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from ipi_es.config.files.nearest import nearest
from ipi_es.config.job_config import Job
from ipi_es.errors import RequestInvalid
from ipi_es.serve.results_api.arguments import Arguments

ALL = ("_all", "*", "")


def one_job(jobs: Mapping[str, Job], job_id: str) -> Job:
    """Return the job of an id. Raises RequestInvalid (404) where none is configured."""
    if job_id not in jobs:
        raise no_such_job(jobs, job_id)
    return jobs[job_id]


def matching_jobs(jobs: Mapping[str, Job], expression: str, arguments: Arguments) -> list[Job]:
    """Return the jobs that an expression names, by id: ids, groups, wildcards, separated by commas, or ``_all``.

    Raises RequestInvalid (404) for an unknown id, and where nothing matches and that is not allowed.
    """
    found: dict[str, Job] = {}
    for part in expression.split(","):
        named = {
            job_id: job
            for job_id, job in jobs.items()
            if part in ALL or any(fnmatchcase(name, part) for name in (job_id, *job.groups))
        }
        if not named and part not in ALL and "*" not in part:
            raise no_such_job(jobs, part)
        found |= named
    if not found and not _may_be_none(arguments):
        raise no_such_job(jobs, expression)
    return [found[job_id] for job_id in sorted(found)]


def no_such_job(jobs: Mapping[str, Job], job_id: str) -> RequestInvalid:
    """Return the error for a job that isn't configured."""
    guess = nearest(job_id, list(jobs))
    return RequestInvalid(
        f"No known job with id '{job_id[:100]}'",
        hint=f"did you mean “{guess}”?" if guess else "GET /_ml/anomaly_detectors lists the jobs of this server",
        status=404,
        kind="resource_not_found_exception",
    )


def _may_be_none(arguments: Arguments) -> bool:
    old = "allow_no_jobs"
    return bool(arguments[old] if old in arguments.given else arguments["allow_no_match"])
