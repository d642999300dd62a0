"""Histories in the explorer's memory: read once, and one that is slow to read holds up nobody else's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from ipi_es.ipinsights.history.history import History
from ipi_es.serve.explorer.histories import Histories

HISTORY = History.empty(20_000, pair_keys=1 << 10, network_keys=1 << 10)


def resources(job_id: str) -> Any:
    """The stores of a job that was trained."""
    state = SimpleNamespace(history_id=f"{job_id}+20000")
    stores = SimpleNamespace(states=SimpleNamespace(read=lambda _: state), blobs=SimpleNamespace(info=lambda *_: None))
    return SimpleNamespace(job=SimpleNamespace(job_id=job_id), stores=stores)


def test_a_slow_history_holds_up_only_those_who_ask_for_it_and_is_read_once() -> None:
    begun, go_on, loaded = threading.Event(), threading.Event(), []

    def load(_: Any, job_id: str, __: Any) -> History:
        loaded.append(job_id)
        if job_id == "slow":
            begun.set()
            assert go_on.wait(10)
        return HISTORY

    histories = Histories(load)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(histories.of, resources("slow"))
        assert begun.wait(10)
        second = pool.submit(histories.of, resources("slow"))
        assert histories.of(resources("quick")) is HISTORY  # while the other is still being read
        go_on.set()
        assert first.result(10) is second.result(10) is HISTORY
    assert sorted(loaded) == ["quick", "slow"]
