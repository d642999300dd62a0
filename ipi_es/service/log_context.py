"""The job that a log line is about, as context for the log's formatter: messages needn't repeat it."""

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
    """An object that works for one job."""

    job: Job


Worker = TypeVar("Worker", bound=HasJob)

_JOB: ContextVar[str | None] = ContextVar("ipi_es_job", default=None)


@contextmanager
def about_job(job_id: str) -> Iterator[None]:
    """Mark what this thread logs within the context as about the job; ECS lines have it as ``labels.job_id``."""
    before = _JOB.set(job_id)
    try:
        yield
    finally:
        _JOB.reset(before)


def current_job() -> str | None:
    """Return the id of the job that this thread works on; None outside :func:`about_job`."""
    return _JOB.get()


def logs_its_job(method: Callable[Concatenate[Worker, P], Given]) -> Callable[Concatenate[Worker, P], Given]:
    """Decorate a method so that everything logged in it is about the object's job."""

    @wraps(method)
    def about(self: Worker, /, *args: P.args, **how: P.kwargs) -> Given:
        with about_job(self.job.job_id):
            return method(self, *args, **how)

    return about
