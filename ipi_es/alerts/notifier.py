"""The worker's notifications: a thread for each destination, so that one that hangs doesn't delay anything else.

The threads read written results from the cluster, and share only the connection with the scoring.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from ipi_es.alerts.delivery import Delivery, DeliveryResult
from ipi_es.alerts.senders import Sender, sender_of
from ipi_es.cluster.port import Cluster
from ipi_es.config.alert_config import Destination
from ipi_es.config.job_config import Job
from ipi_es.errors import ClusterError, IpiEsError

log = logging.getLogger(__name__)

LOOK = 15.0
"""Seconds between two searches for new alerts; such a search is small."""

LAST_LOOK = 30.0
"""Seconds that ``run --once`` gives all its destinations together; the next run sends what remains unsent."""


OnLook: TypeAlias = Callable[[str, str, DeliveryResult], None]
"""Called with the job's id, the destination's name and the result of a delivery."""


class Notifier:
    """Deliveries to all destinations of a worker's jobs.

    ``now`` gives epoch seconds; ``on_look`` is called after each delivery, in its thread.
    """

    def __init__(
        self,
        cluster: Cluster,
        jobs: Sequence[Job],
        owner: str,
        now: Callable[[], int],
        way: Callable[[Destination], Sender] | None = None,
        on_look: OnLook | None = None,
    ) -> None:
        self._now, self._on_look = now, on_look
        self._deliveries = [
            Delivery(cluster, job, destination.name, (way or sender_of)(destination), owner)
            for job in jobs
            for destination in job.alerts.notify
        ]

    def start(self, stopping: threading.Event, every: float = LOOK) -> None:
        """Start threads that deliver at intervals of ``every`` seconds until ``stopping``.

        They aren't joined: a broken-off delivery is repeated.
        """
        for delivery in self._deliveries:
            target, name = self._follow, f"alerts: {delivery.name}"
            threading.Thread(target=target, args=(delivery, stopping, every), name=name, daemon=True).start()

    def begin(self) -> None:
        """Save for each new destination that its alerts begin now. Call it before scoring; it sends nothing."""
        for delivery in self._deliveries:
            self._guarded(delivery, delivery.begin)

    def once(self, limit: float = LAST_LOOK) -> bool:
        """Deliver once to each destination, within ``limit`` seconds; return False where one hasn't finished."""
        threads = [
            threading.Thread(target=self._look, args=(delivery,), name=f"alerts: {delivery.name}", daemon=True)
            for delivery in self._deliveries
        ]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + limit
        for thread in threads:
            thread.join(max(ends - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def _follow(self, delivery: Delivery, stopping: threading.Event, every: float) -> None:
        while not stopping.is_set():
            self._look(delivery)
            stopping.wait(every)

    def _look(self, delivery: Delivery) -> None:
        self._guarded(delivery, partial(self._deliver, delivery))

    def _deliver(self, delivery: Delivery, now: int) -> None:
        done = delivery.deliver(now)
        if self._on_look is not None:
            self._on_look(delivery.job_id, delivery.destination, done)

    def _guarded(self, delivery: Delivery, work: Callable[[int], object]) -> None:
        try:
            work(self._now())
        except ClusterError as error:
            log.warning("%s: no look for alerts: %s", delivery.name, error.message)
        except IpiEsError as error:
            log.error("%s: %s", delivery.name, error)  # noqa: TRY400  (the message says it all)
        except Exception:
            log.exception("%s: notifications failed; they are tried again", delivery.name)
