"""What had to be asked again is counted."""

from __future__ import annotations

from typing import Any

import pytest
from bulk_parts import answer

from ipi_es.cluster.port import Put
from ipi_es.cluster.transport.bulk import Tally, encode_action
from ipi_es.cluster.transport.bulk_send import send_chunk
from ipi_es.cluster.transport.pressure import Pressure, reporting_rejections
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import ClusterBusy, PermissionDenied


def quick(pressure: Pressure) -> Retry:
    return Retry(3, lambda _: None, pressure=pressure)


def test_a_request_that_is_tried_again_counts_each_time() -> None:
    pressure, left = Pressure(), [1, 2]

    def request() -> str:
        if left:
            left.pop()
            raise ClusterBusy("429")
        return "yes"

    assert quick(pressure).run(request) == "yes"
    assert (pressure.requests, pressure.documents) == (2, 0)


def test_only_refused_documents_of_a_bulk_count() -> None:
    pressure, sent = Pressure(), []
    lines = [encode_action(Put("i", str(number), {})) for number in range(3)]

    def send(body: bytes) -> dict[str, object]:
        sent.append(body)
        busy = {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}
        good = {"index": {"status": 201}}
        return answer(body, [good, busy, busy] if len(sent) == 1 else [good] * 2)

    tally = Tally()
    send_chunk(lines, send, quick(pressure), "here", tally)
    assert tally.written == 3
    assert (pressure.requests, pressure.documents) == (0, 2)


def test_rejected_documents_are_told_to_whoever_they_are_for_and_why() -> None:
    """Twice the whole request, then an item of it for the moment, and one for good."""
    heard, answers = list[tuple[str, int]](), list[Any]()
    lines = [encode_action(Put("i", str(number), {})) for number in range(3)]
    busy = {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}
    odd = {"index": {"status": 400, "error": {"type": "mapper_parsing_exception"}}}
    blocked = {"index": {"status": 429, "error": {"type": "cluster_block_exception"}}}
    good = {"index": {"status": 201}}

    def send(body: bytes) -> dict[str, object]:
        results = answers.pop(0)
        if isinstance(results, Exception):
            raise results
        return answer(body, results)

    answers += [ClusterBusy("429"), ClusterBusy("503"), [good, busy, odd], [good]]
    with reporting_rejections(lambda why, documents: heard.append((why, documents))):
        send_chunk(lines, send, quick(Pressure()), "here", Tally())
        assert heard == [("busy", 3), ("busy", 3), ("busy", 1), ("refused", 1)]
        heard.clear()
        answers += [[good, busy, blocked], *[[busy]] * 3]
        send_chunk(lines, send, quick(Pressure()), "here", Tally())
        assert heard == [("busy", 1), ("refused", 1), ("busy", 1), ("busy", 1), ("busy", 1)]
        heard.clear()
        answers.append(PermissionDenied("no", status=403))
        with pytest.raises(PermissionDenied):
            send_chunk(lines, send, quick(Pressure()), "here", Tally())
        assert heard == [("refused", 3)]
    answers.append([good, good, odd])
    send_chunk(lines, send, quick(Pressure()), "here", Tally())
    assert heard == [("refused", 3)], "nobody listens any longer"
