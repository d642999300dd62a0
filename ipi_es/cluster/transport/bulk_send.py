"""Sending one chunk of a bulk until every item is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ipi_es.cluster.answers.answers import incomplete
from ipi_es.cluster.answers.proofs import Lacking
from ipi_es.cluster.port import Json
from ipi_es.cluster.transport.bulk import Line, Tally, check_items, is_busy
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import AnswerIncomplete, ClusterBusy, ClusterReadOnly, PermissionDenied, RequestRejected

# the parts of a bulk's answer that are checked item by item: several times smaller, and items keep their order;
# the ids prove that the answer belongs to these items
BULK_ANSWER = "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason"
TOO_LARGE = 413  # HTTP status of a body over a limit, most often a proxy's


def send_chunk(lines: Sequence[Line], send: Callable[[bytes], Json], retry: Retry, where: str, tally: Tally) -> None:
    """Send the lines; send items that the cluster was too busy for again, with pauses, up to ``max_retries`` times.

    ``send`` takes a body and returns the answer; where the whole request fails, it is retried as any request is. A
    chunk that the server finds too large is halved. The outcome is counted in ``tally``.
    """
    for attempt in range(retry.max_retries + 1):
        try:
            answer = _sent(lines, send, retry, where)
        except RequestRejected as error:
            if error.status != TOO_LARGE or len(lines) < 2:
                raise
            middle = len(lines) // 2
            for half in (lines[:middle], lines[middle:]):
                send_chunk(half, send, retry, where, tally)
            return
        failed = len(tally.failures)
        again = tally.take(lines, answer, last=attempt == retry.max_retries)
        given_up = sum(is_busy(each.status, each.kind) for each in tally.failures[failed:])
        retry.pressure.bulk_rejected("busy", len(again) + given_up)
        retry.pressure.bulk_rejected("refused", len(tally.failures) - failed - given_up)
        if not again:
            return
        retry.pressure.documents_again(len(again))
        retry.pause(attempt, f"{where} was too busy for {len(again)} of {len(lines)} documents")
        lines = again


def _sent(lines: Sequence[Line], send: Callable[[bytes], Json], retry: Retry, where: str) -> Json:
    """Return one answer that covers all of the lines; a request that is refused as a whole counts for each line.

    Lines that aren't proven to be done are sent again: writing the same document again changes nothing.
    """
    body = b"".join(line.body for line in lines)

    def attempt() -> Json:
        try:
            return _about(lines, send(body), where)
        except AnswerIncomplete:
            raise
        except ClusterBusy:
            retry.pressure.bulk_rejected("busy", len(lines))
            raise
        except (PermissionDenied, ClusterReadOnly, RequestRejected) as error:
            if error.status != TOO_LARGE or len(lines) < 2:
                retry.pressure.bulk_rejected("refused", len(lines))
            raise

    return retry.run(attempt)


def _about(lines: Sequence[Line], answer: Json, where: str) -> Json:
    try:
        check_items(lines, answer)
    except Lacking as lacking:
        raise incomplete(where, lacking) from lacking
    return answer
