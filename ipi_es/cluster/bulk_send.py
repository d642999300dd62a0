"""Sending one chunk of a bulk until every item has its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ipi_es.cluster.bulk import Line, Tally
from ipi_es.cluster.port import Json
from ipi_es.cluster.retry import Retry
from ipi_es.errors import RequestRejected

# of a bulk's answer only what is judged item by item: it is several times smaller, and items keep their order
BULK_ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason"
TOO_LARGE = 413  # HTTP status of a body over a limit, most often a proxy's


def send_chunk(lines: Sequence[Line], send: Callable[[bytes], Json], retry: Retry, where: str, tally: Tally) -> None:
    """Send the lines, and those items again that the cluster was too busy for, with pauses and up to max_retries.

    ``send`` takes a body and gives the answer, with its own retries for requests that fail as a whole. A chunk that is
    found too large is halved.
    """
    for attempt in range(retry.max_retries + 1):
        try:
            answer = send(b"".join(line.body for line in lines))
        except RequestRejected as error:
            if error.status != TOO_LARGE or len(lines) < 2:
                raise
            middle = len(lines) // 2
            for half in (lines[:middle], lines[middle:]):
                send_chunk(half, send, retry, where, tally)
            return
        again = tally.take(lines, answer, last=attempt == retry.max_retries)
        if not again:
            return
        retry.pressure.documents_again(len(again))
        retry.pause(attempt, f"{where} was too busy for {len(again)} of {len(lines)} documents")
        lines = again
