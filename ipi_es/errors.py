"""The one error tree of ipi-es.

Every error that a user can meet is one of these; errors of lower libraries are mapped to them
where they arise (the two cluster adapters, the configuration reader, the local server).

    IpiEsError                      exit code 1
    ├── UsageError                  exit code 2: wrong command line or configuration
    │   ├── ConfigError             a mistake in a file, with its place
    │   ├── RequestInvalid          a request to `ipi-es serve` is wrong; carries its status
    │   ├── JobChanged              a trained job's settings aren't those that it was made with
    │   ├── EndpointUnknown         a request names no job that is served
    │   └── ExtraMissing            an optional dependency is not installed
    ├── ClusterError                the cluster, or the connection to it, failed
    │   ├── ClusterUnreachable      no connection (host, port, DNS), or a broken one; retried
    │   │   └── ClusterTimeout      connected, but no answer in time; retried
    │   ├── TlsError                a problem with certificate, CA or protocol (https against http)
    │   ├── AuthenticationFailed    401
    │   ├── PermissionDenied        403: authenticated, but without the right
    │   ├── NotFound                404: index, document or template
    │   ├── RequestRejected         400 and other 4xx: the request itself is wrong
    │   ├── Conflict                409: another writer was first
    │   ├── ClusterBusy             429, 502, 503, 504; retried
    │   │   └── AnswerIncomplete    status 200, but not proven to be complete; retried
    │   ├── ClusterReadOnly         an index or cluster block (most often: the disk is full)
    │   ├── UnsupportedServer       a version or a distribution that is not supported
    │   └── BulkFailed              some items of a bulk failed; carries them
    ├── DataError                   the events can't be used as configured
    │   ├── FieldMissing            a configured field is in no mapping
    │   ├── FieldTypeWrong          a configured field has a type that can't be used
    │   ├── NoEvents                nothing in the range
    │   └── NotEnoughHistory        too few events or entities to train or calibrate on
    ├── StateDamaged                a stored document of a job's state holds an impossible value
    ├── SnapshotError               a saved network or history can't be used
    │   ├── SnapshotMissing         none saved (yet)
    │   ├── SnapshotDamaged         checksum or structure is wrong
    │   └── SnapshotForeign         of another job, another format or a newer version
    ├── UnknownEntity               a name that the job has never seen
    ├── JobBusy                     another worker holds this job
    ├── LostJob                     another worker took this job over during the work
    ├── NotSent                     a notification that its destination did not take
    ├── DaskError                   Dask's scheduler or its workers can't be used
    └── NodeError                   the local server of demo and tests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class IpiEsError(Exception):
    """The root of all errors that ipi-es raises on purpose.

    ``message`` says what is wrong, ``hint`` what to do next; ``str()`` gives both.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class UsageError(IpiEsError):
    """The command line or the configuration is wrong; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A mistake in a configuration file; ``place`` is ``file: dotted.path``."""

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.place = place


class RequestInvalid(UsageError):
    """A request to `ipi-es serve` is wrong: ``status`` is the HTTP status of its answer, ``kind`` Elastic's type."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int = 400,
        kind: str = "illegal_argument_exception",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.kind, self.headers = status, kind, dict(headers or {})


class JobChanged(UsageError):
    """Settings of a trained job changed: what it learned may not fit them."""


class EndpointUnknown(UsageError):
    """A request names no job that is served."""


class ExtraMissing(UsageError):
    """The work needs an optional dependency that is not installed."""


class ClusterError(IpiEsError):
    """The cluster, or the connection to it, failed. ``status`` is the HTTP status, if there was one."""

    retryable = False

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ClusterUnreachable(ClusterError):
    """No configured host accepts a connection, or the connection broke."""

    retryable = True


class ClusterTimeout(ClusterUnreachable):
    """The connection was made, but no answer came within the time limit."""


class TlsError(ClusterError):
    """The TLS handshake failed, or one side speaks plain HTTP."""


class AuthenticationFailed(ClusterError):
    """The cluster refused the credentials, or requires some (401)."""


class PermissionDenied(ClusterError):
    """The credentials are valid but lack a right (403)."""


class NotFound(ClusterError):
    """An index, document or template does not exist (404)."""


class RequestRejected(ClusterError):
    """The cluster refuses the request as wrong (400 and other 4xx)."""


class Conflict(ClusterError):
    """A compare-and-set write lost against another writer (409)."""


class ClusterBusy(ClusterError):
    """The cluster is overloaded or not ready (429, 502, 503, 504)."""

    retryable = True


class AnswerIncomplete(ClusterBusy):
    """An answer lacks a part that proves it complete (shards, aggregations, items, rows); it is not used."""


class ClusterReadOnly(ClusterError):
    """Writes are blocked; most often because a disk is full."""


class UnsupportedServer(ClusterError):
    """The server is neither Elasticsearch 8/9 nor OpenSearch 2/3."""


class BulkFailed(ClusterError):
    """Some items of a bulk were refused; ``failures`` holds (document id, status, reason)."""

    def __init__(
        self,
        message: str,
        *,
        failures: Sequence[tuple[str, int, str]],
        hint: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.failures = tuple(failures)


class DataError(IpiEsError):
    """The events can't be used as the job is configured."""


class FieldMissing(DataError):
    """A configured field is in no mapping of the named indices."""


class FieldTypeWrong(DataError):
    """A configured field has a type that can't be used."""


class NoEvents(DataError):
    """No event matches in the time range."""


class NotEnoughHistory(DataError):
    """Too few events or entities to train a network or to calibrate it."""


class StateDamaged(IpiEsError):
    """A stored document of a job's state holds an impossible value."""


class SnapshotError(IpiEsError):
    """A saved network or history can't be used."""


class SnapshotMissing(SnapshotError):
    """No snapshot was saved under this id, or none at all yet."""


class SnapshotDamaged(SnapshotError):
    """A checksum or the structure of a snapshot is wrong."""


class SnapshotForeign(SnapshotError):
    """A snapshot belongs to another job, another format or a newer version."""


class UnknownEntity(IpiEsError):
    """An entity's name is in neither the history nor the results of a job."""


class JobBusy(IpiEsError):
    """Another worker holds this job's lease."""


class LostJob(IpiEsError):
    """Another worker took this job over during the work; nothing was written here after that."""


class NotSent(IpiEsError):
    """A notification's destination refused it or did not answer; it is tried again.

    ``wait``: seconds that the destination asked to wait before the next try, if it did.
    """

    def __init__(self, message: str, *, hint: str | None = None, wait: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.wait = wait


class DaskError(IpiEsError):
    """Dask's scheduler or its workers can't be used, or would give other results than this process."""


class NodeError(IpiEsError):
    """The local server could not be installed, started or stopped."""
