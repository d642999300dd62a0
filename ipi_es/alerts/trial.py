"""The message that `ipi-es alerts test` sends."""

from __future__ import annotations

from ipi_es.alerts.findings import link
from ipi_es.alerts.message import Letter, Message
from ipi_es.config.job import Job


def trial(job: Job, now: int) -> Letter:
    """A letter that looks like an alert and says that it is none; ``now`` in epoch seconds."""
    start = now // job.bucket_span * job.bucket_span
    why = "This is a test of ipi-es: nothing was found."
    message = Message(
        f"{job.job_id}|test|{now * 1_000}",
        job.job_id,
        "records",
        start,
        "warning",
        why,
        score=0.0,
        who="test",
        where="192.0.2.1",
        link=link(job, start),
    )
    return Letter((message,))
