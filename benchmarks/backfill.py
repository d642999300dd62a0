"""Events a second of a whole backfill against its bare datafeed reading the same events, in one run.

    python benchmarks/backfill.py [--events 1000000] [--rounds 3] [--url http://localhost:9200] [--seed 1]

There are two streams: in one, a pair repeats 10 times within an event bucket; in the other it never does. The job is
first trained on two weeks of the same people, which isn't measured. Then datafeed and backfill take turns, and the
median of each counts; the first turn of both, in which a fresh server compiles its code, doesn't count. The backfill
does what `ipi-es backfill --again` does: it takes the job's lease, loads snapshot and history from the cluster, scores,
writes results and state in batches, and releases the lease. Results of the previous turn are deleted first; their index
stays, as the month's index does. A third way reads the events and writes the same documents in parallel, without
scoring: no backfill can be faster. Without ``--url`` a local OpenSearch is started. The last line is JSON with
``ratio_repeating``, ``ratio_unique``, ``events_per_second`` and the ratios ``without_scoring``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import ipi_es.cli  # noqa: F401  (before NumPy: it says how many threads that has, as in the command)

# isort: split
import urllib3
from streams import DAY, SPAN, START, Stream, drop, load, make_past, make_stream

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.node.local import LocalNode
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.words import RESULT_KINDS
from ipi_es.setup import setup_plan
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

BUCKETS = 24
"""Event buckets of a stream: a day in hours, 42,000 events an hour, as in read.py."""

REPEATS = {"repeating": 10, "unique": 1}
"""Stream's name → occurrences of a pair within an event bucket."""

TARGETS = {"repeating": 0.7, "unique": 0.4}
"""Share of the bare datafeed's events a second that a backfill must reach."""

WARMING = 1
"""Turns that aren't counted."""

TRAINED_DAYS = 14
"""Days before the stream that the job is trained on."""

TRAINED_SHARE = 0.1
"""Events of these days per event of the stream: results needn't be good, only similar to a real job's."""

LEAST_TRAINED = 20_000
"""Minimum of events of these days."""

TRAINING = {"epochs": 3, "combiner_epochs": 3}
"""Hyperparameters of a short training: the cost of scoring doesn't depend on it."""

QUERY = {"bool": {"filter": [{"term": {"event.category": "authentication"}}]}}


@dataclass(slots=True)
class Way:
    """One measured way, with its measurements by round."""

    run: Callable[[], int]
    seconds: list[float] = field(default_factory=list)
    here: list[float] = field(default_factory=list)  # CPU seconds of this process
    server: list[float] = field(default_factory=list)  # CPU seconds of the cluster's nodes

    def measure(self, events: int, url: str) -> None:
        """Run it once and measure it. Raises SystemExit if it didn't see all events."""
        urllib3.request("POST", f"{url}/_all/_cache/clear?request=true&query=true")
        there, here, begin = _server_cpu(url), time.process_time(), time.perf_counter()
        seen = self.run()
        self.seconds.append(time.perf_counter() - begin)
        self.here.append(time.process_time() - here)
        self.server.append(_server_cpu(url) - there)
        if seen != events:
            raise SystemExit(f"saw {seen:,} events of {events:,}")

    def text(self, events: int) -> str:
        """Return events per second and CPU time per event in microseconds: in this process + in the cluster."""
        here, there = (median(cpu) / events * 1e6 for cpu in (self.here, self.server))
        return f"{events / median(self.seconds):>10,.0f}/s ({here:5.2f} + {there:5.2f} µs CPU an event)"


def main(arguments: list[str]) -> int:
    """Measure, print a table and the JSON line; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="events of each stream")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median counts")
    parser.add_argument("--url", help="an existing cluster; by default a local OpenSearch is started")
    parser.add_argument("--seed", type=int, default=1, help="of the streams and the training")
    options = parser.parse_args(arguments)
    with _server(options.url) as url:
        cluster = connect(Connection(hosts=(url,)))
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        print(f"{cluster.info.text}, {options.events:,} events a stream, {os.cpu_count()} processors")
        found = {name: _compare(name, url, cluster, options) for name in REPEATS}
        cluster.close()
    last: dict[str, object] = {f"ratio_{name}": round(each.ratio, 2) for name, each in found.items()}
    last["events_per_second"] = {name: round(each.rate) for name, each in found.items()}
    last["without_scoring"] = {name: round(each.without_scoring, 2) for name, each in found.items()}
    print(json.dumps(last))
    return int(any(found[name].ratio < TARGETS[name] for name in TARGETS))


@dataclass(frozen=True, slots=True)
class Compared:
    """Results for one stream."""

    ratio: float  # the backfill's share of the datafeed's events a second
    rate: float  # the backfill's events a second
    without_scoring: float  # the same share for reading and writing alone, without scoring


def _compare(name: str, url: str, cluster: Cluster, options: argparse.Namespace) -> Compared:
    index = f"ipi-es-benchmark-{name}"
    stream = make_stream(options.events, repeats=REPEATS[name], buckets=BUCKETS, seed=options.seed)
    past = max(int(options.events * TRAINED_SHARE), LEAST_TRAINED)
    drop(url, index)
    drop(url, f"{index}-past")
    load(url, index, stream)
    load(url, f"{index}-past", make_past(stream, events=past, days=TRAINED_DAYS, seed=options.seed))
    job = _job(name, index, options.seed)
    work = JobResources(cluster, job)
    with open_session(work) as session:
        session.train(START - TRAINED_DAYS * DAY, START)
    read, whole = Way(lambda: _read(work, stream)), Way(lambda: _backfill(cluster, job, stream))
    idle = Way(lambda: _without_scoring(work, stream, documents, version))
    documents: list[ResultDocument] = []
    results = ""
    for number in range(-WARMING, options.rounds):
        read.measure(len(stream), url)
        version = _emptied(work)
        idle.measure(len(stream), url)
        _emptied(work)
        whole.measure(len(stream), url)
        work.stores.results.show()
        found = (each for kind in RESULT_KINDS for each in work.stores.results.read(kind, size=len(stream)))
        documents = [ResultDocument(each.index, each.id, each.source) for each in found]
        results = ", ".join(f"{work.stores.results.count(kind):,} {kind}s" for kind in RESULT_KINDS)
        took = f"datafeed {read.seconds[-1]:.2f} s, backfill {whole.seconds[-1]:.2f} s"
        if number < 0:
            read, whole, idle = Way(read.run), Way(whole.run), Way(idle.run)
            took += " (not counted)"
        print(f"{name}: {took}; {results}", flush=True)
    for leftover in (index, f"{index}-past"):
        drop(url, leftover)
    ratio, most = (median(read.seconds) / median(way.seconds) for way in (whole, idle))
    print(f"{name:<10} datafeed {read.text(len(stream))}")
    print(f"{'':<10} backfill {whole.text(len(stream))}   {ratio:.2f} of it; load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"{'':<10} without scoring {most:.2f} of it", flush=True)
    return Compared(ratio, len(stream) / median(whole.seconds), most)


def _emptied(work: JobResources) -> int:
    """Delete the job's results; return the version for later writes."""
    with open_session(work) as session:
        results = work.stores.results
        results.delete(list(results.every()), session.state.external_version)
        return session.state.external_version


def _without_scoring(work: JobResources, stream: Stream, documents: list[ResultDocument], version: int) -> int:
    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(work.stores.results.write, documents, version)
        seen = _read(work, stream)
        writing.result()
    return seen


def _job(name: str, index: str, seed: int) -> Job:
    return Job.model_validate(
        {
            "job_id": f"benchmark-{name}",
            "results_index_name": f"benchmark-{name}",
            "analysis_config": {"bucket_span": f"{SPAN}s"},
            "datafeed_config": {"indices": [index, f"{index}-past"], "query": QUERY},
            "ip_insights": {**TRAINING, "seed": seed},
        }
    )


def _read(work: JobResources, stream: Stream) -> int:
    return sum(int(bucket.count.sum()) for bucket in work.read(START, stream.end))


def _backfill(cluster: Cluster, job: Job, stream: Stream) -> int:
    seen = 0

    def told(scored: ScoredBucket) -> None:
        nonlocal seen
        seen += int(scored.bucket.count.sum())

    with open_session(JobResources(cluster, job)) as session:
        session.backfill(session.plan(START, stream.end, again=True), told, again=True)
    return seen


def _server_cpu(url: str) -> float:
    """Return the CPU seconds that the cluster's nodes have used."""
    nodes = json.loads(urllib3.request("GET", f"{url}/_nodes/stats/process").data)["nodes"].values()
    return float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)) / 1_000


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
        return
    with LocalNode.start(heap="1g") as node:
        yield node.url


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
