"""Two hundred ticks of a live job: what the worker holds stays as it is once its windows are full."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from types import FunctionType, ModuleType

import live_parts
import numpy as np
import pytest
import worker_company as company
import worker_parts as parts

from ipi_es.testing.memory_cluster import MemoryCluster

DAYS = 25
"""Twelve times as long as holds and repeats last."""

PEOPLE = "person12"
"""The first of those who are left out: memory doesn't depend on how many there are, the test's time does."""

NOT_HELD = (type, FunctionType, ModuleType, MemoryCluster, threading.Thread)
"""What belongs to the program or to the cluster, and not to a job."""


def held(root: object) -> tuple[int, int]:
    """(objects that can be reached from ``root``, bytes of arrays among them)."""
    seen: set[int] = set()
    waiting, count, size = [root], 0, 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, NOT_HELD):
            continue
        seen.add(id(each))
        count += 1
        if isinstance(each, np.ndarray):
            size += each.nbytes
        waiting += gc.get_referents(each)
    return count, size


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_two_hundred_ticks_leave_memory_threads_and_descriptors_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    job = live_parts.live_job(hold_days=2, repeat_window="2d", renormalization_window_days=1, late_window="6h")
    few = [each for each in company.events(1, DAYS) if each[1] < PEOPLE]
    cluster = parts.trained_cluster(job, monkeypatch, few)
    worker = live_parts.Worker(cluster, job)
    seen: list[tuple[int, ...]] = []
    ticks = range(company.SCORED_FROM, company.SCORED_FROM + DAYS * company.DAY, job.bucket_span)
    for number, time in enumerate(ticks, start=1):
        worker.tick(time + job.bucket_span)
        if number in (100, 200):
            seen.append((*held(worker.live), threading.active_count(), descriptors()))
    assert number == 200
    assert worker.state.checkpoint == company.SCORED_FROM + DAYS * company.DAY
    half, end = seen
    objects, arrays, threads, files = (after / max(before, 1) for before, after in zip(half, end, strict=True))
    assert objects < 1.1, seen
    assert arrays < 1.1, seen
    assert threads <= 1.0, seen
    assert files <= 1.0, seen
