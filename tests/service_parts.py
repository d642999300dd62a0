"""Jobs and a fleet for the tests of what a worker shows: nothing of it does any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ipi_es.config import Job
from ipi_es.config.files.loading import check_job
from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.datafeed.event_bucket import Dropped
from ipi_es.service.health.health import Fleet

SPAN, DELAY = 900, 60
NOW = 1_780_000_200
"""A bucket's start."""


@dataclass
class FixedClock:
    """Tells what the test says."""

    time: int = NOW

    def now(self) -> int:
        return self.time


def a_job(job_id: str = "logins", **keys: Any) -> Job:
    """Quarter hours, complete after a minute, blind after two empty ones."""
    data = {
        "job_id": job_id,
        "analysis_config": {"bucket_span": "15m"},
        "datafeed_config": {"indices": ["logs"], "query_delay": f"{DELAY}s"},
        "blind_after": 2,
    }
    return check_job(data | keys)


def busy_fleet() -> Fleet:
    """One job that has done everything a job does, and one that another worker has."""
    fleet = Fleet([a_job("logins"), a_job("vpn")])
    busy = fleet["logins"]
    busy.tick_began(NOW)
    busy.lease_acquired(NOW, NOW - SPAN)
    busy.trained(NOW, "20260501T000000Z-1f3a9c0b", {"discriminator_auc": 0.97}, NOW - 3_600)
    busy.read(100, Dropped(missing_entity=2, private_ip=5))
    busy.scored(NOW, BucketCounts(100), {"critical": 1, "warning": 4})
    busy.took("score", 0.25)
    busy.notified("ops", sent=2, refused=1, given_up=0, waiting=3)
    busy.failed(NOW, ValueError("once"))
    busy.batch_written(NOW, NOW)
    busy.tick_ended(NOW)
    fleet["vpn"].stands_by(NOW, "other:1:2")
    return fleet
