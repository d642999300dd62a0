"""Failures to connect to the cluster, as anybody may read them: hosts, ports and versions are in the log alone."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from ipi_es.errors import (
    AuthenticationFailed,
    ClusterBusy,
    ClusterError,
    ClusterTimeout,
    ClusterUnreachable,
    IpiEsError,
    PermissionDenied,
    TlsError,
    UnsupportedServer,
)
from ipi_es.times import SECONDS

log = logging.getLogger(__name__)

AGAIN_AFTER = SECONDS["m"]
"""Seconds after which a kind of failure is logged again: a page asks every few seconds, and a program more often."""

HINT = "the log of ipi-es serve says which cluster, and why"


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of failure, and a sentence that names nothing of the cluster."""

    kind: str
    text: str


_OWN_REFUSED = Failure("unauthorized", "the cluster refuses the server's own credentials")
_FAILED = Failure("failed", "the cluster can't be used")
_FAILURES: tuple[tuple[type[ClusterError], Failure], ...] = (
    (ClusterTimeout, Failure("timeout", "the cluster doesn't answer in time")),
    (ClusterUnreachable, Failure("unreachable", "the cluster can't be reached")),
    (TlsError, Failure("tls", "the encrypted connection to the cluster fails")),
    (AuthenticationFailed, _OWN_REFUSED),
    (PermissionDenied, _OWN_REFUSED),
    (ClusterBusy, Failure("busy", "the cluster is overloaded or not ready")),
    (UnsupportedServer, Failure("unsupported", "the server at the cluster's address is none that ipi-es works with")),
)
"""The first that fits."""


def failure_of(error: IpiEsError) -> Failure:
    """Return the kind of an error, and what anybody may know of it."""
    return next((failure for type_, failure in _FAILURES if isinstance(error, type_)), _FAILED)


def public(error: ClusterError) -> ClusterError:
    """Return the error for a caller who isn't known yet: the text of ``error`` is for the log.

    It has the same status. Refused credentials of the server itself are no mistake of the caller: another one.
    """
    kept = (ClusterTimeout, ClusterUnreachable, TlsError, ClusterBusy, UnsupportedServer)
    type_ = type(error) if type(error) in kept else ClusterError
    return type_(failure_of(error).text, hint=HINT)


class ConnectionLog:
    """Logs failures to connect: each kind at once, then at most once a minute with their number, and their end.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: dict[str, tuple[int, int]] = {}
        """Kind of failure → when it was logged last, epoch seconds, and how often it occurred since."""

    def failed(self, error: ClusterError, now: int) -> None:
        """Note a failure at ``now``, epoch seconds."""
        kind = failure_of(error).kind
        with self._lock:
            last, since = self._logged.get(kind, (now - AGAIN_AFTER, 0))
            due = now - last >= AGAIN_AFTER
            self._logged[kind] = (now, 0) if due else (last, since + 1)
        if due:
            log.warning(
                "a request can't be answered: %s%s",
                error.message,
                f" ({since:,} more since the last line)" if since else "",
            )

    def connected(self) -> None:
        """Note that the cluster was reached."""
        with self._lock:
            failures, self._logged = self._logged, {}
        if failures:
            more = sum(since for _, since in failures.values())
            log.warning("the cluster can be used again%s", f"; {more:,} more requests had failed" if more else "")
