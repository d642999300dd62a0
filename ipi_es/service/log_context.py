"""Which job a log line is about, known to whoever formats it without being in every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ipi_es.config.job_config import Job

P = ParamSpec("P")
Given = TypeVar("Given")


class HasJob(Protocol):
    """What works for one job."""

    job: Job


Worker = TypeVar("Worker", bound=HasJob)

_JOB: ContextVar[str | None] = ContextVar("ipi_es_job", default=None)


@contextmanager
def about_job(job_id: str) -> Iterator[None]:
    """What this thread logs in here is about the job; in ECS lines it stands as ``labels.job_id``."""
    before = _JOB.set(job_id)
    try:
        yield
    finally:
        _JOB.reset(before)


def current_job() -> str | None:
    """The job that this thread is at; None outside of any."""
    return _JOB.get()


def logs_its_job(method: Callable[Concatenate[Worker, P], Given]) -> Callable[Concatenate[Worker, P], Given]:
    """A method of what works for one job: everything that is logged in it is about that job."""

    @wraps(method)
    def about(self: Worker, /, *args: P.args, **how: P.kwargs) -> Given:
        with about_job(self.job.job_id):
            return method(self, *args, **how)

    return about
