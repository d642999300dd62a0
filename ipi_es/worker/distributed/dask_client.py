"""Dask's client: processes that this command starts on this machine, or a scheduler that runs elsewhere."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.errors import DaskError, IpiEsError
from ipi_es.extras import DASK, PSEUDONYMS, require

if TYPE_CHECKING:
    from distributed import Client, Security, Worker, WorkerPlugin

CONNECT_SECONDS = 30
"""How long to wait for a scheduler, and then for its first worker."""

MAX_DELTA = "2GiB"
"""A day's delta is given to the scheduler as it is: Dask warns of 10 MB, which a large job exceeds every day."""

_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Local processes show nothing by HTTP: Dask serves pages on their tasks to every user of the machine, on a free port
too where no dashboard was asked for."""

_NO_ANSWER = "see that `dask scheduler` runs there, and that it has the same version of Dask"
_NO_WORKERS = "start some: dask worker {address} --nthreads 1 --nworkers auto, where ipi-es[dask] is installed"


def require_dask() -> None:
    """Raise ExtraMissing without Dask, or what makes the certificates of its local processes."""
    require("scoring on several processes", DASK, PSEUDONYMS)


@contextmanager
def dask_client(settings: DaskSettings) -> Iterator[Client]:
    """Yield a client of ``settings.scheduler``, or of ``settings.workers`` new processes, which end with it.

    Raises ExtraMissing as :func:`require_dask`, DaskError where the scheduler doesn't answer or has no workers.
    """
    require_dask()
    import dask
    import distributed

    # at its import it was set to log every step; what happens to local processes is this command's doing, or an error
    level = logging.ERROR if settings.scheduler is None else logging.WARNING
    logging.getLogger(distributed.__name__).setLevel(level)
    with dask.config.set({"admin.large-graph-warning-threshold": MAX_DELTA}), ExitStack() as stack:
        with as_dask_errors():  # not around the work: its own errors are none of Dask's
            if settings.scheduler is None:
                client = stack.enter_context(_local(settings.workers or 1))
            else:
                client = stack.enter_context(_connected(settings.scheduler, _security(settings)))
        yield client


@contextmanager
def as_dask_errors() -> Iterator[None]:
    """Turn Dask's errors into DaskError."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    lost = (KilledWorker, CancelledError, FutureCancelledError, asyncio.CancelledError, CommClosedError, OSError)
    try:
        yield
    except IpiEsError:
        raise
    except lost as error:
        raise DaskError(
            f"Dask can't go on: {str(error) or type(error).__name__}",
            hint="see the log of the scheduler and of its workers; what was finished is kept",
        ) from error


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    # TLS with a certificate of its own: otherwise any user of this machine could have the processes run their code
    with (
        dask.config.set(_NO_PAGES),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="tls://127.0.0.1",
            security=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(_ended_by_the_command())
        yield client


def _ended_by_the_command() -> WorkerPlugin:
    """Return a plugin with which local processes ignore Ctrl-C: it reaches them too, and the command ends them."""
    from distributed import WorkerPlugin

    class EndedByTheCommand(WorkerPlugin):  # type: ignore[misc]  # Dask has no types
        name = "ended-by-the-command"

        def setup(self, worker: Worker) -> None:  # noqa: ARG002  (Dask's signature)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return EndedByTheCommand()


@contextmanager
def _connected(address: str, security: Security | None) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DaskError(f"no Dask scheduler answers at {address}: {error}", hint=_NO_ANSWER) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise DaskError(
                f"the Dask scheduler at {address} has no workers", hint=_NO_WORKERS.format(address=address)
            ) from error
        yield client


def _security(settings: DaskSettings) -> Security | None:
    """Return the certificates of the settings; None: those of Dask's own configuration, if it has any."""
    if settings.tls_ca is None:
        return None
    from distributed import Security

    given = {"tls_client_cert": settings.tls_certificate, "tls_client_key": settings.tls_key}
    return Security(
        tls_ca_file=str(settings.tls_ca),
        require_encryption=True,
        **{name: str(path) for name, path in given.items() if path is not None},
    )
