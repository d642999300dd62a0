"""A company with odd names, malformed addresses and one entity that has two of three events, for any cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, HOUR, LEARN_DAYS, SCORED_FROM

from ipi_es.cluster.port import Cluster, Put
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

NAMES = (
    "x" * 10_000,
    "long" * 2_500 + "er",  # the same beginning for longer than an index keeps
    "Ünïcode ☃ 用户",
    "e\u0301 and é",
    "nul\x00inside",
    "\u202eright to left",
    "new\nline\ttab",
    '"quoted", comma',
    "<script>alert(1)</script>",
    "{{mustache}} ${JNDI}",
    " spaces ",
    "*",
    "_id",
    "null",
    "🦄" * 50,
)
"""Entities like others, each with a home and, on the second scored day, an address of nobody's."""
BUSY = "service account"
MALFORMED = ("nowhere", "192.0.2.1:http", "300.1.1.1", "192.0.2.1\x00", "x" * 10_000, "::g")
STRANGE = "198.51.100.{}"

MAPPINGS: dict[str, Any] = {
    "properties": company.MAPPINGS["properties"] | {"source": {"properties": {"ip": {"type": "keyword"}}}}
}


def events() -> Iterator[company.Event]:
    """The usual company, the odd names beside it, and the busy one."""
    yield from company.events(score_days=2)
    for day in range(-LEARN_DAYS, 2):
        start = SCORED_FROM + day * DAY
        for place, name in enumerate(NAMES):
            for hour in (8, 12, 17):
                yield start + hour * HOUR + place, name, f"81.{place}.7.9", "success"
        for second in range(0, 20 * HOUR, 120):
            yield start + second, BUSY, f"192.0.2.{second % 7}", "success"
        for place, ip in enumerate((*MALFORMED, "")):
            yield start + 9 * HOUR + place, "person01", ip, "success"
        yield start + 10 * HOUR, "", "192.0.2.9", "success"
    for place, name in enumerate(NAMES):
        yield SCORED_FROM + DAY + 9 * HOUR + place, name, STRANGE.format(place), "success"


def fill(cluster: Cluster, index: str) -> int:
    """Create the index and write all; how many events there are."""
    cluster.create_index(index, {"mappings": MAPPINGS})
    outcome = cluster.bulk(Put(index, str(number), company.document(each)) for number, each in enumerate(events()))
    cluster.refresh(index)
    return outcome.written


def run_job(cluster: Cluster, job_id: str, index: str, patch: pytest.MonkeyPatch) -> Any:
    """Train (without TensorFlow) and score two days twice; (what was learned, the results of each time)."""
    job = company.make_job(job_id, index)
    as_spelled = job.datafeed_config.model_copy(update={"entity_normalize": ()})
    job = job.model_copy(update={"datafeed_config": as_spelled})
    parts.train_by(patch)
    with open_session(JobResources(cluster, job, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        learned = session.train(company.LEARN_FROM, SCORED_FROM)
    found = []
    for again in (False, True):
        parts.backfill(cluster, job, end=SCORED_FROM + 2 * DAY, again=again)
        found.append(parts.results(cluster, job))
    return learned, found
