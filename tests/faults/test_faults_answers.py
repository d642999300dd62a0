"""Answers with status 200 that aren't whole, from real servers through a proxy: nothing is scored from any of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from fault_parts import checkpoint_of
from fault_place import END, Place, through
from fault_proxy import Alter, Fault, FaultProxy, Script
from live_parts import Worker

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import STATE_INDEX, state_id

pytestmark = pytest.mark.faults

LIMIT = 1.0
"""Seconds of a request where its answer drips."""


@contextmanager
def through_proxy(place: Place, **settings: Any) -> Iterator[tuple[FaultProxy, Cluster]]:
    with FaultProxy(place.url) as proxy:
        settings = {"max_retries": 1, "request_timeout": 30.0, **settings}
        cluster = connect(Connection(hosts=(proxy.url,), **settings), sleep=lambda _: None)
        yield proxy, cluster
        proxy.script = lambda *_: None
        cluster.close()


def on(ending: str, alter: Alter) -> Script:
    fault = Fault(alter=alter)
    return lambda _number, _method, path: fault if path.endswith(ending) else None


def is_page(request: Any) -> bool:
    return "composite" in request.get("aggs", {}).get("pairs", {})


def of_searches(change: Callable[[Any, Any], Any]) -> Script:
    """``change`` what is answered to searches for aggregations."""
    return on("/_search", lambda request, answer: change(request, answer) if request.get("aggs") else None)


def of_pages(change: Callable[[Any], None], *, timed: bool = False) -> Script:
    """``change`` the pages of rows; those with their time only, if ``timed``."""

    def alter(request: Any, answer: Any) -> Any:
        if not is_page(request) or (timed and "t" not in request["aggs"]["pairs"]["composite"]["sources"][0]):
            return None
        change(answer)
        return answer

    return on("/_search", alter)


def half(answer: Any) -> None:
    pairs = answer["aggregations"]["pairs"]
    pairs["buckets"] = pairs["buckets"][: len(pairs["buckets"]) // 2]
    if pairs["buckets"]:
        pairs["after_key"] = pairs["buckets"][-1]["key"]


def empty(answer: Any) -> None:
    answer["aggregations"]["pairs"] = {"buckets": []}


def early(answer: Any) -> None:
    answer["terminated_early"] = True
    half(answer)


def fewer_counts(request: Any, answer: Any) -> Any:
    if is_page(request):
        return None
    for part in answer.get("aggregations", {}).values():  # none where no index matches
        if isinstance(part.get("buckets"), list):
            part["buckets"] = part["buckets"][::2]
    return answer


def other_ids(_request: Any, answer: Any) -> Any:
    for item in answer["items"]:
        next(iter(item.values()))["_id"] += "x"
    return answer


HALF_SHARDS = {"total": 5, "successful": 3, "skipped": 0, "failed": 0}
LASTING: dict[str, Script] = {
    "terminated early, with half of the rows": of_pages(early),
    "three shards of five": of_searches(lambda _request, answer: {**answer, "_shards": HALF_SHARDS}),
    "half a page": of_pages(half),
    "pages without rows": of_pages(empty),
    "every other count": of_searches(fewer_counts),
    "no aggregations": of_searches(lambda _request, answer: {k: v for k, v in answer.items() if k != "aggregations"}),
    "empty aggregations": of_searches(lambda _request, answer: {**answer, "aggregations": {}}),
    "an empty object to a search": on("/_search", lambda *_: {}),
    "an empty object to a get": lambda _n, method, path: (
        Fault(alter=lambda *_: {}) if method == "GET" and "/_doc/" in path else None
    ),
    "an empty object to a write": lambda _n, method, path: (
        Fault(alter=lambda *_: {}) if method == "PUT" and "/_doc/" in path else None
    ),
    "a bulk without items": on("/_bulk", lambda *_: {"errors": False}),
    "a bulk with fewer items": on("/_bulk", lambda _request, answer: {**answer, "items": answer["items"][1:]}),
    "a bulk with items of other documents": on("/_bulk", other_ids),
}


@pytest.mark.parametrize("what", LASTING)
def test_an_answer_that_is_not_whole_is_never_scored(place: Place, what: str) -> None:
    with through_proxy(place) as (proxy, cluster):
        proxy.script = LASTING[what]
        before = checkpoint_of(place.cluster, place.job)
        outcome = Worker(cluster, place.job).tick(END, patient=False)
        assert outcome.did is TickResult.FAILED, outcome
        assert "not whole" in outcome.text, outcome
        assert proxy.altered
        # what was written with its answer lost may be a state after whole batches
        assert checkpoint_of(place.cluster, place.job) == before or "to a write" in what
        proxy.script = lambda *_: None
        through(cluster, place)
    place.all_is_well()


def test_rows_that_never_come_with_their_time_are_read_bucket_by_bucket(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """As Elasticsearch 9.4.0 to 9.4.4 answers for ``logsdb`` indices."""
    with through_proxy(place) as (proxy, cluster):
        proxy.script = of_pages(empty, timed=True)
        through(cluster, place)
        assert proxy.altered
    assert sum("left out rows" in record.getMessage() for record in caplog.records) == 1
    place.all_is_well()


def test_an_answer_of_a_byte_now_and_then_ends_in_time(place: Place) -> None:
    with through_proxy(place, request_timeout=LIMIT) as (proxy, cluster):
        proxy.script = lambda _n, _method, path: Fault(drip=0.2) if path.endswith("/_search") else None
        before, begin = checkpoint_of(place.cluster, place.job), time.monotonic()
        outcome = Worker(cluster, place.job).tick(END, patient=False)
        assert outcome.did is TickResult.FAILED, outcome
        assert "no answer in time" in outcome.text
        assert time.monotonic() - begin < 20 * LIMIT
        assert checkpoint_of(place.cluster, place.job) == before
    through(place.cluster, place)
    place.all_is_well()


def test_all_of_them_at_random_cost_time_alone(place: Place) -> None:
    scripts, rng = list(LASTING.values()), np.random.default_rng(7)

    def script(number: int, method: str, path: str) -> Fault | None:
        return scripts[int(rng.integers(len(scripts)))](number, method, path) if rng.random() < 0.3 else None

    with through_proxy(place, max_retries=5) as (proxy, cluster):
        proxy.script = script
        through(cluster, place)
        assert proxy.altered > 1
    place.all_is_well()


def test_a_state_of_an_impossible_time_stops_the_job_until_it_is_put_right(place: Place) -> None:
    name = state_id(place.job.job_id)
    found = place.cluster.get(STATE_INDEX, name)
    assert found is not None
    odd = json.loads(json.dumps({**found.source, "checkpoint": 99_999_999_999_000}))
    place.cluster.put(STATE_INDEX, name, odd, refresh=True)
    outcome = Worker(place.cluster, place.job).tick(END, patient=False)
    assert outcome.did is TickResult.FAILED, outcome
    assert "“checkpoint” is 99999999999000" in outcome.text
    place.cluster.put(STATE_INDEX, name, found.source, refresh=True)
    through(place.cluster, place)
    place.all_is_well()
