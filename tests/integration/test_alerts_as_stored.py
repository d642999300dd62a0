"""OpenSearch's monitors and channels as Alerting and Notifications read and keep them, run on a real server.

The plugins themselves can't be had from a package registry; the classes by which they read a monitor can.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from alert_looks import INTERVAL, ask, definition, fired, message_of, painless, search_of
from alert_results import HOUR, NOW, SEEDS
from servers import alerting_reader
from servers.alerting_reader import Read
from servers.pool import Server

from ipi_es.alerts.kinds import KINDS, SCORED, Kind
from ipi_es.cluster.alerting import OpenSearchAlerting
from ipi_es.cluster.port import Cluster
from ipi_es.errors import NodeError, NotFound
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS

JOB = f"stored-{uuid.uuid4().hex[:8]}"
CONTEXT = ResultContext(JOB, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=JOB)


@dataclass(frozen=True)
class Kept:
    """What we send, by kind of alert, and what became of it and of what is wrong."""

    sent: dict[Kind, dict[str, Any]]
    monitors: dict[Kind, Read]
    channel: Read
    wrong: dict[str, Read]


class Sent:
    """A server on which there is nothing yet: it keeps what is sent to it."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        if method == "GET":
            raise NotFound(path)
        if path.endswith("/_search"):
            return {"hits": {"hits": []}}
        self.bodies.setdefault(path, []).append(more["body"])
        return {}


def mistaken(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same monitor with one mistake each."""
    text = json.dumps(body)
    changes = {
        "condition": ('"condition": {"script"', '"condition": {"sript"'),
        "trigger": ('"query_level_trigger"', '"query_level_triger"'),
        "query": ('"must_not"', '"must_nt"'),
        "aggregation": ('"composite"', '"composit"'),
        "schedule": ('"MINUTES"', '"MINUTS"'),
    }
    assert all(old in text for old, _ in changes.values())
    return {name: json.loads(text.replace(*change)) for name, change in changes.items()}


@pytest.fixture(scope="module")
def kept() -> Kept:
    sent = Sent()
    alerting = OpenSearchAlerting(sent)
    for kind in KINDS:
        alerting.write(kind, definition("opensearch", kind, CONTEXT))
    alerting.write_channel(f"ipi-es-{JOB}-webhook", "ipi-es: webhook", "https://hooks.example.org/ipi-es")
    bodies = dict(zip(KINDS, sent.bodies["/_plugins/_alerting/monitors"], strict=True))
    wrong = mistaken(bodies["records"])
    try:
        read, channels = alerting_reader.read(
            [*bodies.values(), *wrong.values()], sent.bodies["/_plugins/_notifications/configs"]
        )
    except NodeError as reason:
        pytest.skip(f"NOT TESTED: the classes of OpenSearch Alerting can't be had: {reason}")
    return Kept(
        bodies,
        dict(zip(KINDS, read, strict=False)),
        channels[0],
        dict(zip(wrong, read[len(KINDS) :], strict=True)),
    )


def lost(sent: Any, kept: Any, path: str = "") -> Iterator[str]:
    """What was sent and isn't kept as it was."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key, each in sent.items():
            if path.endswith(".search") and key == "query":  # a search is written in full; it is run below
                continue
            yield from lost(each, kept[key], f"{path}.{key}") if key in kept else [f"{path}.{key}"]
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for number, (one, other) in enumerate(zip(sent, kept, strict=True)):
            yield from lost(one, other, f"{path}[{number}]".removesuffix("[0]"))
    elif sent != kept:
        yield f"{path}: {sent!r} became {kept!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_alerting_reads_every_monitor_and_drops_nothing_of_it(kept: Kept, kind: Kind) -> None:
    assert kept.monitors[kind].stored is not None, kept.monitors[kind].refused
    assert not list(lost(kept.sent[kind], kept.monitors[kind].stored))


def test_notifications_reads_the_channel(kept: Kept) -> None:
    assert kept.channel.stored is not None, kept.channel.refused
    config = kept.channel.stored["config"]
    assert kept.channel.stored["config_id"] == f"ipi-es-{JOB}-webhook"
    assert (config["config_type"], config["is_enabled"]) == ("webhook", True)
    assert (config["webhook"]["url"], config["webhook"]["method"]) == ("https://hooks.example.org/ipi-es", "POST")


@pytest.mark.parametrize("name", ["trigger", "query", "aggregation", "schedule"])
def test_alerting_refuses_a_mistake(kept: Kept, name: str) -> None:
    assert kept.wrong[name].stored is None
    assert kept.wrong[name].refused


def test_a_condition_that_alerting_would_drop_is_noticed(kept: Kept) -> None:
    # it takes a condition of an unknown kind as none at all, so being taken proves nothing
    assert kept.wrong["condition"].stored is not None
    sent = mistaken(kept.sent["records"])["condition"]
    assert any("sript" in each for each in lost(sent, kept.wrong["condition"].stored))


@pytest.fixture
def filled(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[set[tuple[int, str]]]:
    """Results of one kind; what must fire."""
    made, must = SEEDS[request.node.callspec.params["kind"]](CONTEXT)
    ResultStore(cluster, JOB, JOB, flat_fields=CONTEXT.flat_fields).write(made, 1)
    cluster.refresh(ALIAS)
    yield must
    for index in cluster.indices(f"{ALIAS}-{JOB}*"):
        cluster.delete_index(index)


@pytest.mark.only_on("opensearch", "monitors are OpenSearch's")
@pytest.mark.parametrize("kind", SCORED)
def test_stored_monitor_fires_once_where_it_must(
    server: Server, kept: Kept, filled: set[tuple[int, str]], kind: Kind
) -> None:
    stored = kept.monitors[kind].stored
    assert stored is not None
    looks = [ask(server, search_of("opensearch", stored, NOW + step * INTERVAL)) for step in range(-12, 13)]
    assert sorted(fired(looks[12])) == sorted(filled)
    everything = [alert for look in looks for alert in fired(look)]
    assert len(everything) == len(set(everything))
    trigger = stored["triggers"][0]["query_level_trigger"]
    condition = "def ctx = params.ctx; " + trigger["condition"]["script"]["source"]
    told = [painless(server, condition, {"ctx": {"results": [look]}}) == "true" for look in looks]
    assert told == [bool(fired(look)) for look in looks]
    *alerts, end = json.loads(message_of(server, trigger["actions"][0], looks[12]))["alerts"]
    assert end is None
    assert len({alert["id"] for alert in alerts}) == len(alerts) == len(filled)
