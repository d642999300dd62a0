"""Delivery of a job's alerts to one destination: find new alerts, send them, record them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ipi_es.alerts.delivery_state import DeliveryState, DeliveryStateStore, notifications
from ipi_es.alerts.found_alerts import FoundAlert, find
from ipi_es.alerts.message import Notification
from ipi_es.alerts.senders import Sender
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import Conflict, NotSent
from ipi_es.results.documents.visible import visible

log = logging.getLogger(__name__)

GIVE_UP = 2
"""Consecutive refused notifications after which a delivery ends: a single one that a service refuses must not block
the others."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The result of one delivery."""

    sent: int = 0
    """Messages that were accepted."""
    waiting: int | None = 0
    """Alerts that wait; None: another worker holds the destination's lease."""
    again_in: int | None = None
    """Seconds until waiting alerts may be sent."""
    refused: int = 0
    """Messages that were refused; they are tried again."""
    given_up: int = 0
    """Alerts that waited until they were older than ``max_age``: they are never sent."""
    failing_since: int | None = None
    """Epoch seconds of the first consecutive refusal; None: the last message was accepted, or nothing waits."""
    error: str = ""
    """Why the last message was refused; names the host, but no secret of the URL."""


class Delivery:
    """Delivery to one destination of one job. ``owner`` names this worker: only one worker sends at a time."""

    def __init__(self, cluster: Cluster, job: Job, destination: str, sender: Sender, owner: str) -> None:
        self._cluster, self._job, self._sender, self._owner = cluster, job, sender, owner
        self._store = DeliveryStateStore(cluster, job.job_id, destination)
        self.job_id, self.destination = job.job_id, destination
        self.name = f"job {job.job_id}, {destination}"

    def begin(self, now: int) -> None:
        """Create the destination's state if there is none: results from ``now`` on (epoch seconds) may alert."""
        self._store.begin(now)

    def deliver(self, now: int) -> DeliveryResult:
        """Send new alerts at ``now``, epoch seconds. Errors of the cluster are raised, but lose no alert."""
        sent = self._store.acquire_lease(self._owner, now)
        if sent is None:
            return DeliveryResult(waiting=None)
        try:
            sent, done = self._deliver(sent, now)
            self._store.release(sent)
        except Conflict:  # the lease expired while sending: its new holder may repeat unrecorded alerts
            log.warning("%s: another worker took over the notifications", self.name)
            return DeliveryResult(waiting=None)
        return done

    def _deliver(self, sent: DeliveryState, now: int) -> tuple[DeliveryState, DeliveryResult]:
        found = find(self._cluster, self._job, sent.since, now)
        waiting = sent.unsent(found)
        given_up = self._given_up(sent, found, now)
        sent, count, refused = self._send(sent, waiting, now)
        waiting = sent.unsent(found)
        sent = sent.moved_on(waiting, now).with_waiting(waiting)
        again_in = sent.again_in(waiting, now) if waiting else None
        return sent, DeliveryResult(
            sent=count,
            waiting=len(waiting),
            again_in=again_in,
            refused=refused,
            given_up=given_up,
            failing_since=sent.failing_since or None,
            error=sent.error,
        )

    def _send(self, sent: DeliveryState, waiting: Sequence[FoundAlert], now: int) -> tuple[DeliveryState, int, int]:
        """Send due alerts; return (new state, number of accepted notifications, number of refused ones)."""
        written = {each.message.id: each.written for each in waiting}
        count, in_a_row, refused, why = 0, 0, list[Notification](), ""
        for notification in self._due_notifications(sent, waiting, now):
            try:
                self._sender.send(notification)
            except NotSent as error:
                log.warning("job %s: an alert was not sent and is tried again: %s", self._job.job_id, error.message)
                refused, in_a_row, why = [*refused, notification], in_a_row + 1, error.message
                if error.wait is not None:
                    sent = sent.with_peace(error.wait, now)
                if error.wait is not None or in_a_row == GIVE_UP:
                    break
            else:
                log.info("job %s: sent alert %s", self._job.job_id, visible(notification.id))
                count, in_a_row = count + 1, 0
                sent = self._store.save(sent.with_sent(notification, written, now))
        if refused and not count:
            return sent.with_failure(now, why), 0, len(refused)
        for notification in refused:
            sent = sent.with_refused(notification, now)
        return sent, count, len(refused)

    def _due_notifications(self, sent: DeliveryState, waiting: Sequence[FoundAlert], now: int) -> list[Notification]:
        """Return due notifications, new ones first, worst first; rotate the rest, so that none blocks the others."""
        due = notifications(sent.due(waiting, now), sent.slots(now, self._job.alerts.max_per_hour))
        new = [each for each in due if any(name not in sent.waiting for name in each.finding_ids)]
        known = [each for each in due if each not in new]
        first = sent.failures * GIVE_UP % len(known) if known else 0
        return [*new, *known[first:], *known[:first]]

    def _given_up(self, sent: DeliveryState, found: Sequence[FoundAlert], now: int) -> int:
        """Return how many alerts waited after the last delivery, by any worker, and have become too old since."""
        gone = sent.given_up(found, now - self._job.alerts.max_age)
        for name in gone:
            log.error("%s: alert %s was never taken, and is given up", self.name, visible(name))
        return len(gone)
