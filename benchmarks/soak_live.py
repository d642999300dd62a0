"""The real `ipi-es run` on buckets of a minute, with events at a steady rate."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import urllib3
from soak_days import server
from streams import DAY, MAPPINGS, address_text

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import load_job
from ipi_es.config.job_config import Job
from ipi_es.service.due import complete_to
from ipi_es.setup import setup_plan
from ipi_es.worker.job_resources import JobResources

INDEX, JOB = "soak-live", "soak-live"
SPAN = 60
"""Seconds of a bucket."""

ENTITIES, ADDRESSES = 5_000, 6
"""Entities, and addresses of each: 1,000 events/s are two sign-ins per entity in ten seconds."""
ONE_OFF = 0.001
"""Share of the events from an address that is used once."""

HISTORY_DAYS, HISTORY_EVENTS = 8, 40_000
"""Days and events on which the job is first trained."""

PROCESSORS = 2
"""Processors that server, worker and this process share, if the machine has more."""

BEAT = 0.25
"""Seconds between two bulks of events."""
LOOK = 0.5
"""Seconds between two reads of the checkpoint."""
PATIENCE = 900
"""Longest wait for the first training, seconds."""
LEAVES_WITHIN = 10
"""Seconds after SIGTERM within which the worker must end."""

JOB_FILE = {
    "job_id": JOB,
    "results_index_name": "soak",
    "analysis_config": {"bucket_span": f"{SPAN}s"},
    "datafeed_config": {"indices": [INDEX], "query_delay": "60s"},
    "training": {"window": f"{HISTORY_DAYS}d"},
    "ip_insights": {"epochs": 3, "combiner_epochs": 3},
}


@dataclass
class Stream:
    """Draws events with entities and addresses; their parts of the documents are encoded once."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    tails: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        for pair in range(ENTITIES * ADDRESSES):
            self.tails.append(_tail(pair // ADDRESSES, address_text(pair * 2 // 3)))

    def draw(self, milliseconds: list[int]) -> list[bytes]:
        """Draw a document for each of the times, epoch ms."""
        count = len(milliseconds)
        entity = self.rng.integers(0, ENTITIES, count)
        place = np.minimum(self.rng.geometric(0.5, count) - 1, ADDRESSES - 1)
        strange = self.rng.random(count) < ONE_OFF
        lines = []
        for at, (time_ms, pair) in enumerate(zip(milliseconds, (entity * ADDRESSES + place).tolist(), strict=True)):
            tail = self.tails[pair]
            if strange[at]:
                tail = _tail(int(entity[at]), address_text(12_000_000 + int(self.rng.integers(4_000_000))))
            lines.append(b'{"@timestamp":%d,%s' % (time_ms, tail))
        return lines


def _tail(entity: int, ip: str) -> bytes:
    document = {
        "event": {"category": "authentication", "outcome": "success"},
        "user": {"name": f"user{entity:05d}"},
        "source": {"ip": ip},
    }
    return orjson.dumps(document)[1:]


class Sender(threading.Thread):
    """Sends ``rate`` events per second, with timestamps since the last bulk, until it is stopped."""

    def __init__(self, url: str, stream: Stream, rate: int) -> None:
        super().__init__(name="soak-sender", daemon=True)
        self._url, self._stream, self._rate = f"{url}/{INDEX}/_bulk?filter_path=errors", stream, rate
        self._http, self._over = urllib3.PoolManager(), threading.Event()
        self.sent, self.slowest = 0, 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send until :meth:`stop`; an error ends it and is kept in ``failure``."""
        try:
            began, last = time.monotonic(), time.time()
            while not self._over.wait(BEAT):
                now, owed = time.time(), int((time.monotonic() - began) * self._rate) - self.sent
                times = np.linspace(last * 1_000, now * 1_000, owed, endpoint=False).astype(np.int64)
                self.send(self._stream.draw(times.tolist()))
                self.sent, last = self.sent + owed, now
                self.slowest = max(self.slowest, time.time() - now)
        except BaseException as error:  # noqa: BLE001  (the main thread reports it)
            self.failure = error

    def send(self, lines: list[bytes]) -> None:
        """Send one bulk. Raises SystemExit if the cluster refuses it."""
        if not lines:
            return
        action = b'{"create":{}}\n'
        body = action + (b"\n" + action).join(lines) + b"\n"
        answer = self._http.request("POST", self._url, body=body, headers={"Content-Type": "application/x-ndjson"})
        if answer.status >= 300 or orjson.loads(answer.data).get("errors"):
            raise SystemExit(f"the cluster refused events: {answer.status} {answer.data[:300]!r}")

    def stop(self) -> None:
        """Stop, and wait for the current bulk."""
        self._over.set()
        self.join()


@dataclass
class Watched:
    """Delays from a bucket's completeness to its checkpoint, as observed."""

    job: Job
    begin: int
    """The first bucket that counts."""
    delays: dict[int, float] = field(default_factory=dict)
    """Bucket's end → seconds from its completeness to its checkpoint."""
    lag: int = 0
    """Most complete buckets that weren't scored."""

    def look(self, checkpoint: int, now: float) -> None:
        """Record the delays at this checkpoint; times in epoch seconds."""
        newest = max(self.delays, default=self.begin)
        for end in range(newest + SPAN, checkpoint + 1, SPAN):
            self.delays[end] = now - (end + self.job.query_delay)
        self.lag = max(self.lag, (complete_to(self.job, int(now)) - max(checkpoint, self.begin)) // SPAN)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Start server and worker, send events, watch the job; return the figures."""
    if len(os.sched_getaffinity(0)) > PROCESSORS:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    with server(options.url) as url, tempfile.TemporaryDirectory() as folder:
        cluster = connect(Connection(hosts=(url,)))
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        cluster.delete_index(INDEX)
        cluster.create_index(
            INDEX, {"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": MAPPINGS}
        )
        stream = Stream()
        sender = Sender(url, stream, options.rate)
        _history(sender, stream)
        cluster.refresh(INDEX)
        job = _files(Path(folder), url)
        print(f"live: {options.rate:,} events/s for {options.minutes} minutes on {cluster.info.text}", flush=True)
        with _worker(Path(folder)) as process:
            _ready(cluster, job, process)
            figures = _watched(options, cluster, job, sender, process)
            figures |= _left(process)
        figures |= _complete(cluster, job, int(figures.pop("from")), int(figures.pop("to")))
        return figures


def missed(figures: dict[str, Any]) -> list[str]:
    """Return a sentence for each missed target."""
    found = {
        f"a bucket was written {figures['delay_seconds_max']} s after it was complete": figures["delay_seconds_max"]
        >= SPAN,
        f"{figures['buckets_wrong']} buckets lack events, or are not there": figures["buckets_wrong"] > 0,
        f"only {figures['events_per_second']} events/s came in": figures["events_per_second"] < figures["rate"] * 0.99,
        "the worker didn't leave as it should": figures["exit_code"] != 0 or figures["left_in"] > LEAVES_WITHIN,
    }
    return [text for text, is_so in found.items() if is_so]


def _history(sender: Sender, stream: Stream) -> None:
    now = int(time.time())
    times = np.sort(stream.rng.integers((now // DAY - HISTORY_DAYS) * DAY, now, HISTORY_EVENTS)) * 1_000
    for start in range(0, len(times), 10_000):
        sender.send(stream.draw(times[start : start + 10_000].tolist()))


def _files(folder: Path, url: str) -> Job:
    (folder / "jobs").mkdir()
    (folder / "jobs" / f"{JOB}.json").write_text(json.dumps(JOB_FILE), encoding="utf-8")
    (folder / "ipi-es.yml").write_text(f"elasticsearch:\n  hosts: [{url}]\n", encoding="utf-8")
    return load_job(folder / "jobs" / f"{JOB}.json")


@contextmanager
def _worker(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ipi_es", "run"], cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        except BaseException:
            print((folder / "log").read_text(encoding="utf-8")[-3_000:], file=sys.stderr)
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _ready(cluster: Cluster, job: Job, process: subprocess.Popen[bytes]) -> None:
    """Wait until the job is trained and has caught up. Raises SystemExit if this takes too long."""
    began = time.monotonic()
    while (_checkpoint(cluster, job) or 0) < complete_to(job, int(time.time())):
        if process.poll() is not None or time.monotonic() - began > PATIENCE:
            raise SystemExit(f"the worker didn't come to work within {PATIENCE} s (exit code {process.poll()})")
        time.sleep(LOOK)
    print(f"  trained and caught up after {time.monotonic() - began:.0f} s", flush=True)


def _watched(
    options: argparse.Namespace, cluster: Cluster, job: Job, sender: Sender, process: subprocess.Popen[bytes]
) -> dict[str, Any]:
    # from the first bucket that is filled completely
    watched = Watched(job, -(-int(time.time()) // SPAN) * SPAN)
    sender.start()
    began, processor = time.monotonic(), _processor(process.pid)
    resident: list[float] = []
    # the last buckets are complete query_delay after their ends
    until = watched.begin + options.minutes * SPAN + job.query_delay
    sent = 0
    while time.time() < until + SPAN and max(watched.delays, default=0) < until - job.query_delay:
        time.sleep(LOOK)
        if process.poll() is not None or sender.failure is not None:
            raise SystemExit(f"ended amid the work: worker {process.poll()}, sender {sender.failure!r}")
        watched.look(_checkpoint(cluster, job) or 0, time.time())
        if time.monotonic() - began >= (len(resident) + 1) * SPAN:
            resident.append(_resident(process.pid))
            newest = max(watched.delays, default=0)
            delay = f"{watched.delays[newest]:.1f} s after it was complete" if newest else "-"
            rate = (sender.sent - sent) / SPAN
            sent = sender.sent
            print(
                f"  minute {len(resident):>2}: {rate:,.0f} events/s, {len(watched.delays)} buckets, the last written "
                f"{delay}, {resident[-1]:.1f} MiB, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    seconds = time.monotonic() - began
    sender.stop()
    return {
        "rate": options.rate,
        "minutes": options.minutes,
        "events_per_second": round(sender.sent / seconds, 1),
        "buckets": len(watched.delays),
        "delay_seconds_max": round(max(watched.delays.values(), default=seconds), 1),
        "delay_seconds_median": round(float(np.median(list(watched.delays.values()) or [seconds])), 1),
        "lag_buckets_max": watched.lag,
        "worker_processor_share": round((_processor(process.pid) - processor) / seconds, 3),
        "resident_mib": [round(each) for each in resident],
        "slowest_bulk_seconds": round(sender.slowest, 2),
        "from": watched.begin,
        "to": max(watched.delays, default=watched.begin),
    }


def _left(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Send SIGTERM; return the worker's exit code and the seconds until it ended."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(6 * LEAVES_WITHIN)
    return {"exit_code": code, "left_in": round(time.monotonic() - began, 1)}


def _complete(cluster: Cluster, job: Job, start: int, end: int) -> dict[str, int]:
    """Count the events, and the buckets whose stored event count is wrong or missing."""
    work = JobResources(cluster, job)
    cluster.refresh(INDEX)
    stored = {each.start: each.event_count for each in work.stores.results.final_buckets(start, end)}
    counts = work.feed.event_counts(start, end, SPAN)
    wrong = [at for at in range(start, end, SPAN) if stored.get(at) != counts.get(at, 0)]
    return {"events": sum(counts.values()), "buckets_wrong": len(wrong)}


def _checkpoint(cluster: Cluster, job: Job) -> int | None:
    state = JobResources(cluster, job).stores.states.read(job.job_id)
    return None if state is None else state.checkpoint


def _resident(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _processor(pid: int) -> float:
    """Return the processor time that a process has used, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
