"""How long one bucket takes, and how much memory, where it is far wider than any that a job has seen.

    python benchmarks/wide_buckets.py [--case users|addresses|both|one]…

``users``: 300,000 accounts with one address each. ``addresses``: 100,000 addresses that try one account. ``one``: one
address that tries 300,000 accounts. ``both``: 100,000 accounts and 100,000 addresses, five pairs for each. All pairs
are in one event bucket of a small company's job, and again in the next; both buckets are scored and turned into result
documents as in the worker, and the day is learned at its end. Nothing is read from or written to a cluster. The last
line is JSON. The exit code is 1 if a case takes more than a minute of processor time or 2 GiB of additional memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import worker_company as company
import worker_parts as parts

from ipi_es.addresses import canonical
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.scoring.dry_run import count_alerts
from ipi_es.worker.training.job_training import TrainingCallbacks

SECONDS, BYTES = 60.0, 2 << 30
CASES = ("users", "addresses", "one", "both")


def shape(case: str) -> tuple[int, int, NDArray[np.int32], NDArray[np.int32]]:
    """Return (accounts, addresses, account and address of each row: int32[n] each)."""
    rng = np.random.default_rng(1)
    if case == "users":
        return 300_000, 300_000, np.arange(300_000, dtype=np.int32), np.arange(300_000, dtype=np.int32)
    if case == "addresses":
        return 1, 100_000, np.zeros(100_000, dtype=np.int32), np.arange(100_000, dtype=np.int32)
    if case == "one":
        return 300_000, 1, np.arange(300_000, dtype=np.int32), np.zeros(300_000, dtype=np.int32)
    pairs = np.unique(rng.integers(0, 100_000, (500_000, 2)), axis=0).astype(np.int32)
    return 100_000, 100_000, pairs[:, 0].copy(), pairs[:, 1].copy()


def bucket_of(case: str, start: int, span: int) -> EventBucket:
    """Return the case's event bucket; ``start`` in epoch seconds, ``span`` in seconds."""
    accounts, addresses, entity, ip = shape(case)
    packed = np.zeros((addresses, 16), dtype=np.uint8)
    packed[:, 10:12] = 255
    numbers = np.arange(addresses, dtype=np.uint32) * 251 + (45 << 24)
    packed[:, 12:] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    return EventBucket(
        start=start,
        span=span,
        entities=[f"wide{number:06d}" for number in range(accounts)],
        ips=[canonical(each.tobytes()) for each in packed],
        addresses=packed,
        outcomes=["success"],
        entity=entity,
        ip=ip,
        outcome=np.zeros(len(entity), dtype=np.int8),
        count=np.ones(len(entity), dtype=np.int64),
        event_count=len(entity),
    )


def resident() -> int:
    """Return this process's resident memory, bytes."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4_096


class Peak:
    """A context manager that measures the process's peak memory, every 20 ms."""

    def __enter__(self) -> Peak:
        self.before = self.most = resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, resident())


def empty(start: int, span: int) -> EventBucket:
    """Return an event bucket without events."""
    nothing = np.zeros(0, dtype=np.int32)
    none = np.zeros((0, 16), dtype=np.uint8)
    return EventBucket(start, span, [], [], none, [], nothing, nothing, nothing.astype(np.int8), nothing.astype(int), 0)


def measure(case: str) -> dict[str, float]:
    """Score the case's day: its first two buckets are wide, the others are empty, and the day is learned at its end."""
    job = company.make_job()
    with pytest.MonkeyPatch.context() as patch:
        work = JobResources(parts.trained_cluster(job, patch), job, clock=parts.TestClock())
        start, span = company.SCORED_FROM, job.bucket_span
        wide = bucket_of(case, start, span)
        again = replace(wide, start=start + span)
        day = [wide, again, *(empty(each, span) for each in range(start + 2 * span, start + company.DAY, span))]
        patch.setattr(work, "read", lambda begin, end: iter(day if end > begin else ()))
        scores: list[float] = []
        began = time.process_time()  # other work on the machine doesn't count
        with Peak() as peak:
            counted = count_alerts(
                work, start, start + company.DAY, lambda each: scores.append(each.anomaly_score), TrainingCallbacks()
            )
        took = time.process_time() - began
    return {
        "pairs": len(wide.entity),
        "seconds": round(took, 1),
        "mebibytes": round((peak.most - peak.before) / 2**20),
        "documents": counted.documents,
        "anomaly_score": round(scores[0], 1),
        "again": round(scores[1], 1),
    }


def main(arguments: list[str]) -> int:
    """Print a line per case and the JSON line; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="may be given several times")
    found = {}
    for case in parser.parse_args(arguments).case or CASES:
        found[case] = measure(case)
        print(f"{case}: " + ", ".join(f"{name} {value:,}" for name, value in found[case].items()), flush=True)
    missed = [case for case, each in found.items() if each["seconds"] > SECONDS or each["mebibytes"] * 2**20 > BYTES]
    print(json.dumps({"benchmark": "wide_buckets", "cases": found, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
