"""The range of events that a training takes."""

from __future__ import annotations

from ipi_es.config.job_config import Job
from ipi_es.times import SECONDS


def training_range(job: Job, end: int) -> tuple[int, int]:
    """Return the range [start, end) of a training up to ``end``: whole UTC days, ``training.window`` long."""
    day = SECONDS["d"]
    stop = end // day * day
    return stop - job.training.window, stop
