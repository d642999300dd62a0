"""Failures to connect to the cluster, as anybody may read them: hosts, ports and versions are in the log alone."""

from __future__ import annotations

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
    """Return the error for a caller who isn't known yet, without the text of ``error``.

    It has the same status. Refused credentials of the server itself are no mistake of the caller: another one.
    """
    kept = (ClusterTimeout, ClusterUnreachable, TlsError, ClusterBusy, UnsupportedServer)
    type_ = type(error) if type(error) in kept else ClusterError
    return type_(failure_of(error).text, hint=HINT)
