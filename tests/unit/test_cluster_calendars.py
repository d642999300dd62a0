"""Elastic ML's calendars over HTTP, as Elastic's reference describes them; and on servers without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stub_server import Reply, StubServer

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.elasticsearch import ElasticsearchCluster
from ipi_es.cluster.port import Json, ServerInfo
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import AnswerIncomplete, NotFound, PermissionDenied

CALENDARS = {"count": 1, "calendars": [{"calendar_id": "people", "job_ids": ["sign-ins"]}]}
EVENTS = {
    "count": 1,
    "events": [
        {
            "description": "move",
            "start_time": 4_070_908_800_000,
            "end_time": 4_070_912_400_000,
            "skip_result": True,
            "skip_model_update": True,
            "calendar_id": "people",
            "event_id": "LS8LJGEBMTCMA-qz49st",
        }
    ],
}
PATHS = ("/_ml/calendars?size=10000", "/_ml/calendars/_all/events?size=10000")


@pytest.fixture
def answers() -> dict[str, Reply]:
    """What is answered to a path."""
    return dict(zip(PATHS, (Reply(body=CALENDARS), Reply(body=EVENTS)), strict=True))


@pytest.fixture
def cluster(answers: dict[str, Reply]) -> Iterator[ElasticsearchCluster]:
    with StubServer(lambda _method, path, _body: answers[path]) as stub:
        info = ServerInfo("elasticsearch", (9, 0, 0), "c", stub.url)
        made = ElasticsearchCluster(info, Connection(hosts=(stub.url,)), Retry(0))
        yield made
        made.close()


def test_calendars_and_events_are_read_whole(cluster: ElasticsearchCluster) -> None:
    assert cluster.admin.elastic_calendars() == (CALENDARS, EVENTS)


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [
        ({"count": 2, "events": EVENTS["events"]}, "has 1 of 2 events"),
        ({"events": EVENTS["events"]}, 'has no "count"'),
        ({"count": 1}, 'has no "events"'),
        ({"count": 1, "events": ["x"]}, 'has no "events"'),
    ],
)
def test_a_cut_answer_is_an_error(
    cluster: ElasticsearchCluster, answers: dict[str, Reply], answer: Json, lacks: str
) -> None:
    answers[PATHS[1]] = Reply(body=answer)
    with pytest.raises(AnswerIncomplete, match=lacks):
        cluster.admin.elastic_calendars()


@pytest.mark.parametrize(
    ("status", "reason", "error", "hint"),
    [
        (403, "action [cluster:monitor/xpack/ml/calendars/get] is unauthorized", PermissionDenied, "monitor_ml"),
        (403, "current license is non-compliant for [ml]", PermissionDenied, "a licence with machine learning"),
        (400, "no handler found for uri [/_ml/calendars]", NotFound, "the cluster that runs Elastic's job"),
    ],
)
def test_a_refusal_says_what_it_takes_and_names_the_files(
    cluster: ElasticsearchCluster, answers: dict[str, Reply], status: int, reason: str, error: Any, hint: str
) -> None:
    answers[PATHS[1]] = Reply(status, {"error": {"type": "exception", "reason": reason}})
    with pytest.raises(error) as refused:
        cluster.admin.elastic_calendars()
    assert reason in str(refused.value)
    assert hint in str(refused.value.hint)
    assert "--calendars and --calendar-events" in str(refused.value.hint)
