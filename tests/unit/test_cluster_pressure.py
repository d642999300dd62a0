"""What had to be asked again is counted."""

from __future__ import annotations

from ipi_es.cluster.bulk import Tally, encode_action
from ipi_es.cluster.bulk_send import send_chunk
from ipi_es.cluster.port import Put
from ipi_es.cluster.pressure import Pressure
from ipi_es.cluster.retry import Retry
from ipi_es.errors import ClusterBusy


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
        return (
            {"errors": True, "items": [good, busy, busy]} if len(sent) == 1 else {"errors": False, "items": [good] * 2}
        )

    tally = Tally()
    send_chunk(lines, send, quick(pressure), "here", tally)
    assert tally.written == 3
    assert (pressure.requests, pressure.documents) == (0, 2)
