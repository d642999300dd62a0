"""How long the explorer's pages take on the server: a job with a year of hours, a million results, 10,000 entities.

    python benchmarks/explorer.py http://localhost:9200 [--results 1000000] [--entities 10000] [--tries 40] [--keep]

Results are written into indices of their own, which are removed at the end unless ``--keep`` is given; with ``--again``
they are taken as they were kept. Each page is asked for over HTTP, from this machine, one request at a time, after one
that isn't counted. Printed are the median and the 95th percentile of each in milliseconds; the last line is JSON. The
exit code is 1 if the first view of the job, seven days, takes a second or more in 5 % of the tries.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice
from urllib.request import urlopen

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.settings import Settings
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
)
from ipi_es.results.index_mapping import index_for
from ipi_es.results.reading.incident_grouping import LEAST_SCORE, Incident
from ipi_es.results.words import ALIAS
from ipi_es.serve.server import Server
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.times import iso

JOB = check_job(
    {
        "job_id": "bench-explorer",
        "results_index_name": "bench-explorer",
        "analysis_config": {"bucket_span": "1h"},
        "datafeed_config": {"indices": ["bench-explorer-events"]},
    }
)
HOUR, DAY = 3_600, 86_400
START, HOURS = 1_735_689_600, 365 * 24
"""2025-01-01T00:00:00Z, and a year."""
END = START + HOURS * HOUR
CONTEXT = ResultContext(
    JOB.job_id, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=JOB.results_index_name
)
STAMP = Stamp("bench", "bench", END)
AT_ONCE = 5_000


def documents(results: int, entities: int, seed: int = 1) -> Iterator[ResultDocument]:
    """Yield the results of each hour: half records, half influencers, and incidents of pairs of the strong ones."""
    chance = random.Random(seed)
    strong: list[ResultDocument] = []
    for hour in range(HOURS):
        start = START + hour * HOUR
        scores = [min(99.9, chance.expovariate(0.2)) for _ in range((results - HOURS) // HOURS // 2)]
        yield Bucket(
            start=start,
            event_count=chance.randrange(5_000),
            processing_time_ms=1,
            influencers=[BucketInfluencer("bucket_time", max(scores, default=0.0), 1.0, 1e-3)],
        ).document(CONTEXT, STAMP)
        for score in scores:
            name = f"user-{chance.randrange(entities):05}"
            ip = f"198.{chance.randrange(18, 20)}.{chance.randrange(256)}.{chance.randrange(256)}"
            made = Record(
                start=start,
                entity=name,
                ip=ip,
                probability=1e-4,
                record_score=score,
                actual=-3.0,
                typical=3.0,
                event_count=1,
            ).document(CONTEXT, STAMP)
            yield made
            field, value = chance.choice((("user.name", name), ("source.ip", ip)))
            yield Influencer(start=start, field=field, value=value, probability=1e-4, influencer_score=score).document(
                CONTEXT, STAMP
            )
            if score >= LEAST_SCORE:
                strong.append(made)
            if len(strong) == 2:
                found = Incident(tuple((each.id, each.source) for each in strong))
                source = found.to_dict(JOB.job_id) | {"event.ingested": END * 1_000, "alert_id": "x"}
                yield ResultDocument(index_for(found.start, JOB.results_index_name), source["incident_id"], source)
                strong = []


def fill(cluster: Cluster, results: int, entities: int) -> int:
    """Write the results; return how many there are."""
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    count, made = 0, documents(results, entities)
    while part := list(islice(made, AT_ONCE)):
        cluster.bulk([Put(each.index, each.id, each.source) for each in part])
        count += len(part)
        if count % 100_000 < AT_ONCE:
            print(f"{count:,} results are written", file=sys.stderr)
    cluster.refresh(ALIAS)
    return count


def took(url: str, tries: int) -> tuple[float, float, int]:
    """Return the median and the 95th percentile of a page's time, milliseconds, and its bytes."""
    times, size = [], 0
    for number in range(tries + 1):
        before = time.perf_counter()
        with urlopen(url) as answer:
            size = len(answer.read())
        if number:
            times.append((time.perf_counter() - before) * 1_000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1], size


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=40)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    connection = Connection(hosts=(given.url,))
    cluster = connect(connection)
    count = given.results if given.again else fill(cluster, given.results, given.entities)
    states = StateStore(cluster)
    if states.read(JOB.job_id) is None:
        held = states.acquire_lease(JOB.job_id, "benchmark:1:1", END, HOUR, alive=lambda _: False)
        states.release(states.save(held.advanced(checkpoint=END)))
    settings = Settings.model_validate({"serve": {"listen": "127.0.0.1:9288"}})
    pages = {
        "jobs": "/",
        "job, 7 days": f"/jobs/{JOB.job_id}",
        "job, a year": f"/jobs/{JOB.job_id}?start={iso(START)}&end={iso(END)}",
        "job, a year, row 500": f"/jobs/{JOB.job_id}?start={iso(START)}&end={iso(END)}&entities=100",
        "entity, a year": f"/jobs/{JOB.job_id}/entities/user-00042?start={iso(START)}&end={iso(END)}",
        "results, a year": f"/jobs/{JOB.job_id}/results?start={iso(START)}&end={iso(END)}",
        "news": f"/jobs/{JOB.job_id}/live?after=0",
    }
    found = {}
    with Server(settings, [JOB], connection, lambda: END) as server:
        for name, path in pages.items():
            median, late, size = took(f"{server.listener.url}{path}", given.tries)
            found[name] = {"median_ms": round(median), "p95_ms": round(late), "bytes": size}
            print(f"{name:<22} median {median:7.0f} ms  p95 {late:7.0f} ms  {size:>9,} bytes")
    if not given.keep:
        for index in cluster.indices(f"{ALIAS}-{JOB.results_index_name}-*"):
            cluster.delete_index(index)
        states.delete(JOB.job_id)
    print(json.dumps({"benchmark": "explorer", "results": count, "entities": given.entities, "pages": found}))
    return 0 if found["job, 7 days"]["p95_ms"] < 1_000 else 1


if __name__ == "__main__":
    sys.exit(main())
