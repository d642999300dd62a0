"""Events that a job can no longer see or use, on real servers: who says so, within how many buckets, and its end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
from cli_run import run
from fault_parts import counted_once
from fault_place import SCORE_DAYS, Place
from live_parts import DELAY, Worker
from service_parts import FixedClock
from worker_company import HOUR, SCORED_FROM

from ipi_es.cluster.port import Drop, Put
from ipi_es.results.store import ResultStore
from ipi_es.service.health.http_server import readiness
from ipi_es.service.health.metrics import exposition, registry

pytestmark = pytest.mark.faults

SPAN = 3 * HOUR
BROKEN = SCORED_FROM + 9 * HOUR
"""In the morning: people come from 6 to 22, every day of the week."""
MENDED = BROKEN + 3 * SPAN
SEEN_AGAIN = SCORED_FROM + 42 * HOUR
"""In the evening of the next day."""

Json = dict[str, Any]
Change = Callable[[int, Json], Json | None]
"""(place in the order of time, document) → what is there instead; None: nothing."""


def renamed(_: int, source: Json) -> Json:
    return {**{name: value for name, value in source.items() if name != "source"}, "client": source["source"]}


def respelled(_: int, source: Json) -> Json:
    return {**source, "event": {**source["event"], "outcome": source["event"]["outcome"].capitalize()}}


def thinned(place: int, source: Json) -> Json | None:
    return None if place % 10 else source


CASES: dict[str, tuple[Change, str, str | None, str]] = {
    "IP field renamed": (renamed, "address_missing", "source.ip", "`source.ip` is missing in 100% of the events"),
    "another word for success": (respelled, "outcome_missing", "event.outcome", "have `event.outcome` `success`"),
    "nine of ten events gone": (thinned, "few_events", None, "Most events are missing"),
}


@pytest.fixture
def damaged(place: Place) -> Iterator[Callable[[Change | None], None]]:
    """Changes all events from BROKEN on; None puts them right, as the end of the test does."""
    index = place.job.datafeed_config.indices[0]
    events = sorted(
        (each[0], str(number), company.document(each))
        for number, each in enumerate(company.events(score_days=SCORE_DAYS))
        if each[0] >= BROKEN
    )

    def change(how: Change | None) -> None:
        made = [(name, source if how is None else how(at, source)) for at, (_, name, source) in enumerate(events)]
        place.cluster.bulk(
            [Drop(index, name) if source is None else Put(index, name, source) for name, source in made], refresh=True
        )

    yield change
    change(None)


def shown(place: Place, worker: Worker, now: int) -> tuple[Json, dict[str, float]]:
    """What `/readyz` answers, and the metric ``ipi_es_blind`` by state."""
    fleet = worker.fleet
    lines = exposition(registry(fleet, FixedClock(now)), "")[0].decode().splitlines()
    metric = [each for each in lines if each.startswith("ipi_es_blind{")]
    return readiness(fleet, now), {line.split('state="')[1].split('"')[0]: float(line.split()[-1]) for line in metric}


def sees_all(place: Place, worker: Worker, now: int) -> None:
    told, metric = shown(place, worker, now + DELAY)
    assert told["ready"], told
    assert metric == {"blind": 0.0, "half_blind": 0.0}


def noted(place: Place) -> Json:
    store = ResultStore(place.cluster, place.job.job_id, place.job.results_index_name)
    store.show()
    (found,) = store.annotations(types=["blind"])
    return found.source


def status(place: Place, job_file: Path) -> Json:
    result = run("--config", place.directory / "ipi-es.yml", "status", job_file, "--format", "json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    return dict(row)


@pytest.mark.parametrize("case", CASES)
def test_a_job_that_loses_sight_of_its_events_says_so_everywhere_until_they_are_back(
    place: Place, damaged: Callable[[Change | None], None], case: str, caplog: pytest.LogCaptureFixture
) -> None:
    change, reason, field, text = CASES[case]
    worker, file = Worker(place.cluster, place.job), place.job_file()
    worker.tick(BROKEN)
    sees_all(place, worker, BROKEN)
    damaged(change)
    with caplog.at_level(logging.WARNING):
        for end in range(BROKEN + SPAN, MENDED + 1, SPAN):
            worker.tick(end)
    told, metric = shown(place, worker, MENDED + DELAY)
    (why,) = told["reasons"]
    assert (why["reason"], metric) == ("half_blind", {"blind": 0.0, "half_blind": 1.0})
    assert text in why["text"]
    said = noted(place)
    assert (said["blind_state"], said["blind_reason"], said.get("blind_field")) == ("half_blind", reason, field)
    assert said["annotation"] == why["text"]
    assert any("is half blind: " in each.getMessage() and text in each.getMessage() for each in caplog.records)
    assert text in json.dumps(status(place, file), ensure_ascii=False)
    damaged(None)
    for end in range(MENDED + SPAN, SEEN_AGAIN + 1, SPAN):
        worker.tick(end)
    sees_all(place, worker, SEEN_AGAIN)
    assert (noted(place)["blind_state"], noted(place)["blind_reason"]) == ("ended", reason)
    assert text not in json.dumps(status(place, file), ensure_ascii=False)
    counted_once(place.cluster, place.job, company.events(score_days=SCORE_DAYS), SCORED_FROM, SEEN_AGAIN)
