"""`ipi-es run --once` with the shipped roles on a secured server, and what it does where a right is taken away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import live_parts
import pytest
import worker_company as company
import worker_parts as parts
from secured_company import (
    EVENTS,
    FIRST_DAY,
    LAST_DAY,
    WORKER,
    SecuredBench,
    secured_bench,
    shipped_roles,
    without,
)
from servers.secured import SecuredOpenSearch

from ipi_es.cli.shared.shell import Shell
from ipi_es.cluster.connect import connect
from ipi_es.config.files.loading import load_settings
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import PermissionDenied
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.service.worker import Worker

OWN = "ipi-es-state ipi-es-snapshots ipi-es-rules ipi-es-calendars ipi-es-verdicts"
RESULTS = "ipi-es-anomalies ipi-es-anomalies-*"
LATER = 600
"""Seconds after the last bucket's end at which the worker looks: it is complete by then."""


@pytest.fixture(scope="module")
def bench(secured_opensearch: SecuredOpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBench]:
    job = company.make_job("secured-live", EVENTS, results_retention_days=3_650)
    with secured_bench(secured_opensearch, tmp_path_factory.mktemp("secured-live"), job) as made:
        yield made


def once(bench: SecuredBench, time: int) -> TickOutcome:
    """What `ipi-es run --once` does at ``time``, epoch seconds."""
    clock = parts.TestClock(time)
    worker = Worker(Settings(), [bench.job], lambda: connect(bench.connection(WORKER)), clock, threading.Event())
    return worker.once()[bench.job.job_id]


@pytest.fixture(scope="module")
def quiet(bench: SecuredBench) -> dict[str, Any]:
    """What an undisturbed worker leaves that looks twice."""
    bench.fresh()
    for time in (FIRST_DAY + LATER, LAST_DAY + LATER):
        done = once(bench, time)
        assert done.did is TickResult.WORKED, done
    return bench.everything()


def test_reader_and_writer_suffice_for_the_worker(quiet: dict[str, Any]) -> None:
    assert quiet["state"]["checkpoint"] == LAST_DAY


@pytest.mark.parametrize(
    ("where", "right"),
    [
        ("cluster", "cluster:monitor/main"),
        (EVENTS, "indices:data/read/search"),
        (OWN, "indices:data/write/index"),
        (RESULTS, "indices:admin/create"),
        (RESULTS, "indices:admin/refresh*"),
        (RESULTS, "indices:data/write/bulk[s]"),
    ],
)
def test_a_worker_that_lost_a_right_says_which_and_goes_on_when_it_has_it_again(
    bench: SecuredBench, quiet: dict[str, Any], where: str, right: str
) -> None:
    roles = shipped_roles()
    bench.fresh()
    assert once(bench, FIRST_DAY + LATER).did is TickResult.WORKED
    bench.grant(without(roles, where, right))
    try:
        said = once(bench, LAST_DAY + LATER)
        assert said.did is TickResult.FAILED, said
        text = said.text
    except PermissionDenied as error:  # refused before there is any job to say it of
        text = str(error)
    finally:
        bench.grant(roles)
    assert right.rstrip("*") in text
    assert once(bench, LAST_DAY + LATER).did is TickResult.WORKED
    found = bench.everything()
    assert found["state"] == quiet["state"]
    assert found["blobs"] == quiet["blobs"]
    assert found["results"] == quiet["results"]


def test_a_worker_whose_password_is_revoked_says_so_and_goes_on_with_the_one_in_its_file(
    bench: SecuredBench, quiet: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fresh()
    name, first, second = *WORKER, "Nw-7735-Zxv!"
    password = tmp_path / "password"
    password.write_text(first)
    file = bench.config(WORKER, password=None, password_file=str(password))
    cluster = Shell(load_settings(file), verbose=False, config=file).connect()
    worker = live_parts.Worker(cluster, bench.job)

    def look(time: int) -> TickOutcome:
        worker.clock.time = time
        return worker.live.tick(time)

    assert look(FIRST_DAY + LATER).did is TickResult.WORKED
    bench.put(f"internalusers/{name}", {"password": second})
    try:
        said = look(LAST_DAY + LATER)
        assert said.did is TickResult.FAILED, said
        assert "refused the credentials" in said.text
        password.write_text(second)
        assert look(LAST_DAY + LATER).did is TickResult.WORKED
    finally:
        bench.put(f"internalusers/{name}", {"password": first})
        cluster.close()
    assert not [each for each in (first, second) if each in said.text + caplog.text]
    found = bench.everything()
    assert found["blobs"] == quiet["blobs"]
    assert found["results"] == quiet["results"]
