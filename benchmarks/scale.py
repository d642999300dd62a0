"""A backfill by Dask workers: how much faster two are than one, the memory of each, and where more workers end.

    python benchmarks/scale.py [--events 100000000] [--entities 1000000] [--days 14] [--rounds 3] [--seed 1]

Events come from pages recorded on disk (:mod:`recorded_pages`), so no server is measured. The job is trained on one
event in ten of the two days before, which isn't measured. Then

(a) the first day is backfilled without Dask, with one Dask worker and with two, in turns; the first turn of each, in
    which processes load what they need, doesn't count, and of the others the median counts;
(b) all days are backfilled with two workers; the peak memory of each worker is measured on every day;
(c) the time of a day with more workers is computed from the costs measured in (b): the tasks of a day run side by side,
    the delta of the day before is applied by all of them first, and the work in the order of event buckets is done by
    the command meanwhile. Its share of all work says how far more workers can help (Amdahl's law).

The last line is JSON. The exit code is 1 if two workers are less than 1.6 times as fast as one, or if a worker needs
more than 2 GiB, or more on the last day than on the third.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import ipi_es.cli  # noqa: F401  (before NumPy: it says how many threads that has, as in the command)

# isort: split
from distributed import Client, get_task_stream
from recorded_pages import INDEX, RecordedCluster, Recording
from streams import DAY, SPAN, START

from ipi_es.config.job_config import Job
from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.setup import setup_plan
from ipi_es.worker.distributed.dask_client import dask_client
from ipi_es.worker.distributed.distributed_reader import DistributedReader
from ipi_es.worker.distributed.job_task import JobTask, versions_of
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

RECORDED_DAYS = 3
FIRST = START - START % (RECORDED_DAYS * DAY)
"""Start of the first scored day, epoch seconds."""

THINNED = 10
"""Events of a trained day per one that is used."""

LEAST_RATIO, MOST_MIB = 1.6, 2_048
MOST_GROWTH = 1.02
"""Peak memory of the last day to that of the third: allocators differ by a percent from day to day."""

PROJECTED = (8, 32, 128)
"""Workers for which the time is computed."""

OnBucket = Callable[[ScoredBucket], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the tasks of the benchmark find events and snapshots."""

    recording: Recording
    snapshots: Path

    def open(self) -> tuple[RecordedCluster, Path]:
        """See :class:`ipi_es.worker.distributed.job_task.ClusterSource`."""
        return RecordedCluster(self.recording), self.snapshots


@dataclass(frozen=True, slots=True)
class Costs:
    """What the days of a backfill cost, in seconds of a processor."""

    tasks: float
    """Of all workers: reading and scoring."""
    ordered: float
    """Of the command's process: all work in the order of event buckets, and Dask's scheduler."""
    delta: float
    """Of each worker, once a day: what its first scoring of the day takes longer than the median of all."""
    days: int

    @property
    def ordered_share(self) -> float:
        """Share of the ordered work in all work."""
        return self.ordered / (self.ordered + self.tasks)

    def seconds(self, workers: int) -> float:
        """Return how long the days take with so many workers, each with a processor, and one for the command."""
        return max(self.ordered, self.tasks / workers + self.delta * self.days)


@dataclass(slots=True)
class Bench:
    """A trained job and its recorded events."""

    source: Recorded
    cluster: RecordedCluster
    job: Job
    speeds: dict[int, list[float]] = field(default_factory=dict)
    """Workers (0: without Dask) → events a second by turn."""

    @classmethod
    def trained(cls, source: Recorded, seed: int) -> Bench:
        """Set up the stores and train the job."""
        cluster = RecordedCluster(source.recording, THINNED)
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        bench = cls(source, cluster, _job(seed))
        with open_session(bench.resources()) as session:
            session.train(FIRST - 2 * DAY, FIRST)
        cluster.thin(1)
        return bench

    def resources(self) -> JobResources:
        """Return the job's resources, with nothing loaded."""
        return JobResources(self.cluster, self.job, snapshots=self.source.snapshots)

    def backfill(self, client: Client | None, days: int, on_bucket: OnBucket = lambda _: None) -> float:
        """Score the first days, by ``client``'s workers if one is given; return the events a second."""
        resources, seen = self.resources(), 0

        def count(scored: ScoredBucket) -> None:
            nonlocal seen
            seen += scored.bucket.event_count
            on_bucket(scored)

        with open_session(resources) as session:
            if client is not None:
                snapshot_id = session.state.trained.snapshot_id
                task = JobTask(uuid4().hex, self.job, self.source, snapshot_id, versions_of(self.job))
                resources.distribute(DistributedReader(client, task, resources))
            planned = session.plan(FIRST, FIRST + days * DAY, again=True)
            begin = time.perf_counter()
            session.backfill(planned, count, again=True)
        return seen / (time.perf_counter() - begin)

    def compare(self, rounds: int) -> dict[int, float]:
        """Backfill a day in turns; return the median events a second by the number of workers."""
        for number in range(rounds + 1):
            for workers in (0, 1, 2):
                with _workers(workers) as client:
                    if client is not None:
                        self.backfill(client, 1)  # processes that have just started load what they need
                    speed = self.backfill(client, 1)
                counts = "" if number else " (not counted)"
                print(f"{workers} workers: {speed:>10,.0f} events/s{counts}; load {os.getloadavg()[0]:.1f}", flush=True)
                if number:
                    self.speeds.setdefault(workers, []).append(speed)
        return {workers: median(found) for workers, found in self.speeds.items()}

    def all_days(self, days: int) -> tuple[float, list[int], Costs]:
        """Backfill all days with two workers; return events a second, the peak MiB by day, and the costs."""
        peaks: list[int] = []
        with _workers(2) as client, get_task_stream(client) as tasks:
            assert client is not None

            def on_bucket(scored: ScoredBucket) -> None:
                if scored.bucket.end % DAY == 0:
                    peaks.append(max(client.run(_peak_mib).values()))
                    print(f"day {len(peaks)}: at most {peaks[-1]:,} MiB a worker", flush=True)

            before, began = _spent(client), time.process_time()
            speed = self.backfill(client, days, on_bucket)
            ordered, spent = time.process_time() - began, _spent(client) - before
        return speed, peaks, Costs(spent, ordered, _delta(tasks.data, days), days)


def _spent(client: Client) -> float:
    """Return the processor's seconds that all workers have used."""
    return float(sum(client.run(time.process_time).values()))


def _delta(tasks: list[dict[str, Any]], days: int) -> float:
    """Return what the longest scorings, one a day in each of the two workers, take above the median, in seconds."""
    took = sorted(
        sum(one["stop"] - one["start"] for one in each["startstops"] if one["action"] == "compute")
        for each in tasks
        if each["key"].startswith("score_part")
    )
    return float(median(took[-2 * days :]) - median(took))


def _peak_mib() -> int:
    """Return the most memory that this process had since the last call, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak // 1_024


@contextmanager
def _workers(count: int) -> Iterator[Client | None]:
    if not count:
        yield None
        return
    with dask_client(DaskSettings(workers=count)) as client:
        yield client


def _job(seed: int) -> Job:
    return Job.model_validate(
        {
            "job_id": "scale",
            "results_index_name": "scale",
            "analysis_config": {"bucket_span": f"{SPAN}s"},
            "datafeed_config": {"indices": [INDEX]},
            "ip_insights": {"epochs": 1, "combiner_epochs": 1, "seed": seed},
        }
    )


def main(arguments: list[str]) -> int:
    """Measure, print the table and the JSON line; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000_000, help="of all days")
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=3, help="turns of (a) that count")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as place:
        recording = Recording.make(
            Path(place),
            entities=options.entities,
            events_a_day=options.events // options.days,
            days=RECORDED_DAYS,
            seed=options.seed,
        )
        snapshots = Path(place, "snapshots")
        snapshots.mkdir()
        bench = Bench.trained(Recorded(recording, snapshots), options.seed)
        print(f"trained; {os.cpu_count()} processors", flush=True)
        speeds = bench.compare(options.rounds)
        speed, peaks, costs = bench.all_days(options.days)
    ratio = speeds[2] / speeds[1]
    events = recording.events_a_day * options.days
    print(f"\nprocessor: reading and scoring {costs.tasks:.0f} s, in order {costs.ordered:.0f} s", end="")
    print(f" ({costs.ordered_share:.0%} of all work); a day's delta {costs.delta:.1f} s in each worker")
    projected = {workers: round(events / costs.seconds(workers)) for workers in PROJECTED}
    for workers, rate in projected.items():
        print(f"{workers:>4} workers, computed: {rate:>12,} events/s")
    result = {
        "benchmark": "scale",
        "ratio_two_workers": round(ratio, 2),
        "ratio_to_no_dask": round(speeds[2] / speeds[0], 2),
        "events": events,
        "peak_mib_per_worker": max(peaks),
        "peak_mib_by_day": peaks,
        "events_per_second": round(speed),
        "ordered_share": round(costs.ordered_share, 3),
        "projected": projected,
    }
    print(json.dumps(result))
    grew = len(peaks) > 3 and peaks[-1] > MOST_GROWTH * peaks[2]
    return int(ratio < LEAST_RATIO or max(peaks) > MOST_MIB or grew)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
