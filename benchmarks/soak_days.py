"""Simulated days of many jobs at full speed, to check that the worker's memory doesn't grow and that it keeps up."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import soak_store
import soak_worker
from soak_company import Feeder, job_data
from soak_worker import Memory, Plan, Wave
from streams import DAY, START

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_job
from ipi_es.node.local import LocalNode
from ipi_es.setup import setup_plan
from ipi_es.times import iso
from ipi_es.worker.job_resources import JobResources

HISTORY = 8
"""Days of events before the first simulated one, and length of the training window."""

LOOKED_AT = 60
"""Seconds after a bucket's end at which the first job ticks: the smallest query_delay."""

FLAT = 1.05
"""Largest allowed ratio of the last day's memory to the second day's."""


@dataclass
class Day:
    """Measurements of one simulated day."""

    seconds: float = 0.0
    tick_ms: float = 0.0
    """Mean duration of a tick without trainings."""
    buckets: int = 0
    lag: int = 0
    """Most buckets that a job lacked after its tick."""
    failures: list[str] = field(default_factory=list)
    memory: Memory = field(default_factory=lambda: Memory(0, 0, 0, 0))


@dataclass
class Soak:
    """The benchmark's side: simulated time, the events, and the requests to the worker's process."""

    options: argparse.Namespace
    clusters: Sequence[Cluster]
    """The cluster of each job, by its number."""
    ask: Pipe
    days: list[Day] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Run all days, print a line for each, and return the figures."""
        options, frequency = self.options, self.options.span // 2
        feeder = Feeder(self.clusters, options.people, START // DAY - HISTORY, kept=HISTORY + 2)
        feeder.feed(START)
        print(f"  {feeder.fed:,} events of {HISTORY} days to learn from", flush=True)
        for number in range(options.days):
            begin, began, day, ticks = START + number * DAY, time.perf_counter(), Day(), 0.0
            for base in range(begin, begin + DAY, frequency):
                feeder.feed(base + LOOKED_AT)
                wave: Wave = self._told("wave", base)
                day.lag, day.buckets = max(day.lag, wave.lag), day.buckets + wave.buckets
                day.failures += wave.failures
                ticks += wave.tick_seconds
            day.failures += self._told("clean", begin + DAY - 1)
            day.memory = self._told("memory", begin + DAY - 1)
            day.seconds = time.perf_counter() - began
            day.tick_ms = 1_000 * ticks / (DAY // frequency * options.jobs)
            self.days.append(day)
            self._print(number + 1, day)
        return self._figures(feeder)

    def _print(self, number: int, day: Day) -> None:
        memory = day.memory
        print(
            f"  day {number:>2}: {memory.rss:7.1f} MiB resident ({memory.anonymous:.1f} anonymous), "
            f"{memory.threads:>3} threads, {memory.files:>3} files, {day.buckets:>5} buckets, lag {day.lag}, "
            f"{day.tick_ms:5.1f} ms a tick, {day.seconds:5.1f} s",
            *(f"\n      {text}" for text in day.failures[:3]),
            flush=True,
        )

    def _figures(self, feeder: Feeder) -> dict[str, Any]:
        last, second = self.days[-1], self.days[min(1, len(self.days) - 1)]
        checked = [_complete(cluster, data) for cluster, data in zip(self.clusters, _jobs(self.options), strict=True)]
        return {
            "jobs": self.options.jobs,
            "days": len(self.days),
            "bucket_span": self.options.span,
            "events": feeder.fed,
            "resident_mib": [round(day.memory.rss) for day in self.days],
            "growth": round(last.memory.rss / second.memory.rss, 3),
            "growth_anonymous": round(last.memory.anonymous / second.memory.anonymous, 3),
            "threads": [second.memory.threads, last.memory.threads],
            "files": [second.memory.files, last.memory.files],
            "tick_ms": [round(second.tick_ms, 1), round(last.tick_ms, 1)],
            "lag_buckets": max(day.lag for day in self.days),
            "steps": self._told("steps", START),
            "buckets_checked": sum(each.checked for each in checked),
            "buckets_wrong": sum(each.wrong for each in checked),
            "buckets_mended": sum(each.mended for each in checked),
            "failures": sum(len(day.failures) for day in self.days),
            "seconds": round(sum(day.seconds for day in self.days)),
        }

    def _told(self, what: str, now: int) -> Any:
        self.ask.send((what, now))
        return self.ask.recv()


def missed(figures: dict[str, Any]) -> list[str]:
    """Return a sentence for each missed target."""
    found = {
        f"memory grew to {figures['growth']:.3f} of the second day's": figures["growth"] > FLAT,
        f"a job lagged {figures['lag_buckets']} buckets": figures["lag_buckets"] > 0,
        f"{figures['buckets_wrong']} buckets lack events, or are not there": figures["buckets_wrong"] > 0,
        f"{figures['failures']} ticks failed": figures["failures"] > 0,
    }
    return [text for text, is_so in found.items() if is_so]


@dataclass
class Completeness:
    """Counts of the last days' buckets, whose events still exist; wrong: not scored, or not with all events."""

    checked: int = 0
    wrong: int = 0
    mended: int = 0


def _complete(cluster: Cluster, data: dict[str, Any]) -> Completeness:
    job = check_job(data)
    work = JobResources(cluster, job)
    state = work.stores.states.read(job.job_id)
    end = 0 if state is None else int(state.checkpoint or 0)
    start = max(START, end - (HISTORY - 1) * DAY)
    stored = {each.start: each for each in work.stores.results.final_buckets(start, end)}
    counts = work.feed.event_counts(start, end, job.bucket_span)
    starts = range(start, end, job.bucket_span)
    wrong = [at for at in starts if at not in stored or stored[at].event_count != counts.get(at, 0)]
    for at in wrong[:2]:
        had = stored[at].event_count if at in stored else None
        print(f"      {job.job_id}: bucket {iso(at)} has {had} events of {counts.get(at, 0)}")
    return Completeness(len(starts), len(wrong), sum(each.revision > 0 for each in stored.values()))


def on_a_server(options: argparse.Namespace) -> dict[str, Any]:
    """Run all jobs on one real server; return the figures."""
    with server(options.url) as url:
        cluster = connect(Connection(hosts=(url,)))
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        print(f"{options.jobs} jobs for {options.days} days on {cluster.info.text}", flush=True)
        with _worker(Plan(_jobs(options), url, trace=options.trace)) as ask:
            return Soak(options, [cluster] * options.jobs, ask).run()


def in_memory(options: argparse.Namespace) -> dict[str, Any]:
    """Run each job on its own in-memory cluster, in this process and not in the worker's; return the figures."""
    clusters = [soak_store.DailyCluster() for _ in range(options.jobs)]
    for cluster in clusters:
        setup_plan.apply(cluster, setup_plan.plan(cluster))
    print(f"{options.jobs} jobs for {options.days} days on clusters in memory", flush=True)
    pipes = [multiprocessing.Pipe() for _ in clusters]
    soak_store.serve(clusters, [here for here, _ in pipes])
    with _worker(Plan(_jobs(options), None, [there for _, there in pipes], options.trace)) as ask:
        return Soak(options, clusters, ask).run()


def _jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    return [job_data(number, options.span, HISTORY, options.every) for number in range(options.jobs)]


@contextmanager
def _worker(made: Plan) -> Iterator[Pipe]:
    """Start the measured process and yield the pipe to it; the process ends with the context."""
    spawning = multiprocessing.get_context("spawn")  # a fork would contain this process's memory
    ask, told = spawning.Pipe()
    process = spawning.Process(target=soak_worker.main, args=(made, told), daemon=True)
    process.start()
    told.close()
    try:
        yield ask
        ask.send(("stop", 0))
        process.join(20)
    finally:
        if process.is_alive():
            process.kill()


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """Yield the given cluster's URL, or that of a local one that is stopped at the end."""
    if url is not None:
        yield url.rstrip("/")
        return
    with LocalNode.start(heap="1g") as node:
        yield node.url
