"""The message that `ipi-es alerts test` sends."""

from __future__ import annotations

from ipi_es.alerts.dashboard_links import finding_link
from ipi_es.alerts.incident_messages import merged
from ipi_es.alerts.kinds import ScoredKind
from ipi_es.alerts.message import Message, Notification
from ipi_es.config.job_config import Job
from ipi_es.times import to_ms


def trial(job: Job, now: int) -> Notification:
    """Return a notification like an alert of two findings that says it is a test; ``now`` in epoch seconds."""
    start = now // job.bucket_span * job.bucket_span
    entity, address = "test", "192.0.2.1"
    kinds: tuple[ScoredKind, ...] = ("influencers", "records")
    found = [
        Message(
            f"{job.job_id}|test|{to_ms(now)}|{kind}",
            job.job_id,
            kind,
            start,
            "warning",
            "This is a test of ipi-es: nothing was found.",
            score=0.0,
            who=entity,
            where=address,
            link=finding_link(job, start, (entity,), (address,), kind=kind),
            entities=(entity,),
            addresses=(address,),
            entity_count=1,
            address_count=1,
        )
        for kind in kinds
    ]
    return Notification((merged(found),))
