"""Which job a log line is about, known to whoever formats it without being in every message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
