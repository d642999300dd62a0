"""State of the deliveries to one destination, stored in the cluster: a restart neither loses nor repeats alerts.

An alert is sent first and recorded then: after a kill in between it is sent again, with the same id. Results are
searched from ``since`` on, which stays an hour behind: results that a busy cluster makes visible late are also found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.alerts.found_alerts import FoundAlert
from ipi_es.alerts.incident_messages import incidents
from ipi_es.alerts.message import Notification, in_order
from ipi_es.cluster.port import Cluster, Document
from ipi_es.errors import Conflict
from ipi_es.state.fields import LATEST, Fields
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.times import SECONDS, to_ms

FORMAT = 1
"""Version of the document's format; a newer one is refused."""

_DAMAGED_HINT = (
    f"look at it with `GET {STATE_INDEX}/_doc/ID`: put the value right there, or delete that document; what was found "
    "before is then not sent any more"
)

HOUR = SECONDS["h"]

LOOK_BACK = to_ms(HOUR)
"""Milliseconds that ``since`` stays behind: longer than the retries of a write take."""

REMEMBERED = to_ms(2 * SECONDS["d"])
"""Milliseconds for which a sent alert is remembered: a later rescoring of its bucket has no old alert to repeat."""

LEASE = 120
"""Seconds for which one worker holds a destination: sending takes some tens of seconds at most."""

FIRST_PAUSE, LONGEST_PAUSE = 30, HOUR
"""Seconds: the pause after the first failure, doubled by each further failure, and its maximum."""


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The state of one destination. Times in epoch seconds, but ``since`` and those of ``ids`` in milliseconds."""

    job_id: str
    destination: str
    since: int
    ids: Mapping[str, int] = field(default_factory=dict)
    """Alerts that were sent → when their newest result was written."""
    times: tuple[int, ...] = ()
    """When messages were sent, in the last hour."""
    failures: int = 0
    """Consecutive failures."""
    retry_at: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Alerts still unsent after the last delivery → when they happened, to detect those that become too old."""
    refused: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Alerts refused while others were accepted → how often, and when they may be tried again, epoch seconds."""
    failing_since: int = 0
    """Time of the first of the latest consecutive refusals; 0: the last message was accepted, or nothing waits."""
    error: str = ""
    """Why the last message was refused; names the host, but no secret."""
    asked_until: int = 0
    """Until when the destination asked to receive nothing, epoch seconds."""
    owner: str | None = None
    owned_until: int = 0
    stored: Document | None = field(default=None, compare=False, repr=False)

    def unsent(self, found: Sequence[FoundAlert]) -> list[FoundAlert]:
        """Return the alerts that weren't sent yet."""
        return [each for each in found if each.message.id not in self.ids]

    def due(self, waiting: Sequence[FoundAlert], now: int) -> list[FoundAlert]:
        """Return the alerts to try now. During a pause only new ones, once: perhaps only the others are refused."""
        if self.asked_until > now:
            return []
        tried = self.waiting if self.retry_at > now else ()
        return [each for each in waiting if each.message.id not in tried and self._pause_of(each.message.id) <= now]

    def again_in(self, waiting: Sequence[FoundAlert], now: int) -> int:
        """Return the seconds, at most an hour, until a waiting alert may be sent: by pause or hourly rate."""
        pauses = [self._pause_of(each.message.id) for each in waiting]
        next_try = max(self.retry_at, self.asked_until, min(pauses, default=0))
        return next_try - now if next_try > now else self.next_slot(now)

    def _pause_of(self, alert_id: str) -> int:
        return self.refused.get(alert_id, (0, 0))[1]

    def with_sent(self, notification: Notification, written: Mapping[str, int], now: int) -> DeliveryState:
        """Return the state after a notification was sent; ``written``: when each alert's newest result was written."""
        ids = {**self.ids, **{name: written[name] for name in notification.finding_ids}}
        times = (*self._last_hour(now), now)
        return replace(self, ids=ids, times=times, failures=0, retry_at=0, asked_until=0, failing_since=0, error="")

    def with_failure(self, now: int, error: str) -> DeliveryState:
        """Return the state after a delivery in which all messages were refused: with a pause, longer each time."""
        failing = replace(self, failing_since=self.failing_since or now, error=error)
        if self.retry_at > now:  # only new alerts were tried
            return failing
        return replace(failing, failures=self.failures + 1, retry_at=now + _pause(self.failures))

    def with_refused(self, notification: Notification, now: int) -> DeliveryState:
        """Return the state after a notification was refused while others were accepted: only its alerts pause."""
        refused = dict(self.refused)
        for name in notification.finding_ids:
            times = refused.get(name, (0, 0))[0]
            refused[name] = (times + 1, now + _pause(times))
        return replace(self, refused=refused)

    def with_peace(self, wait: int, now: int) -> DeliveryState:
        """Return the state after the destination asked for a pause of ``wait`` seconds: 30 s at least, 1 h at most."""
        return replace(self, asked_until=now + min(max(wait, FIRST_PAUSE), LONGEST_PAUSE))

    def moved_on(self, waiting: Sequence[FoundAlert], now: int) -> DeliveryState:
        """Return the state with ``since`` moved forward, to an hour ago or the oldest waiting alert; forget old ids."""
        since = max(self.since, min([to_ms(now) - LOOK_BACK, *(each.first_written for each in waiting)]))
        oldest = min(since, to_ms(now) - REMEMBERED)
        ids = {name: written for name, written in self.ids.items() if written >= oldest}
        return replace(self, since=since, ids=ids)

    def with_waiting(self, waiting: Sequence[FoundAlert]) -> DeliveryState:
        """Return the state with these alerts as the waiting ones."""
        names = {each.message.id: each.message.when for each in waiting}
        refused = {name: self.refused[name] for name in names if name in self.refused}
        failing_since, error = (self.failing_since, self.error) if names else (0, "")
        return replace(self, waiting=names, refused=refused, failing_since=failing_since, error=error)

    def given_up(self, found: Sequence[FoundAlert], oldest: int) -> list[str]:
        """Return alerts that waited before, aren't found any more, and happened before ``oldest``, epoch seconds."""
        known = {each.message.id for each in found} | set(self.ids)
        return [name for name, when in self.waiting.items() if when < oldest and name not in known]

    def slots(self, now: int, most: int) -> int:
        """Return how many messages may be sent now, at ``most`` per hour."""
        return max(most - len(self._last_hour(now)), 0)

    def next_slot(self, now: int) -> int:
        """Return the seconds until the oldest message of the last hour is an hour old."""
        return max(min(self._last_hour(now), default=now) + HOUR - now, 1)

    def _last_hour(self, now: int) -> tuple[int, ...]:
        return tuple(time for time in self.times if now - HOUR < time <= now)


def _pause(failures: int) -> int:
    """Return the seconds to wait after so many earlier failures."""
    return min(FIRST_PAUSE << min(failures, 10), LONGEST_PAUSE)


def notifications(waiting: Sequence[FoundAlert], slots: int) -> list[Notification]:
    """Distribute waiting alerts over at most ``slots`` notifications: the worst alone, the rest together in the last.

    Findings of one incident are one message (:mod:`ipi_es.alerts.incident_messages`); each finding is recorded when it
    was sent.
    """
    messages = in_order(incidents(each.message for each in waiting))
    if len(messages) <= slots:
        return [Notification((message,)) for message in messages]
    if slots == 0:
        return []
    return [
        *(Notification((message,)) for message in messages[: slots - 1]),
        Notification(tuple(messages[slots - 1 :])),
    ]


class DeliveryStateStore:
    """Reads and writes the state of one destination of one job in the cluster."""

    def __init__(self, cluster: Cluster, job_id: str, destination: str) -> None:
        self._cluster, self._job_id, self._destination = cluster, job_id, destination

    def begin(self, now: int) -> None:
        """Create the state if there is none: alerts begin with results written from ``now`` on, epoch seconds."""
        if self._cluster.get(STATE_INDEX, self._id) is None:
            with contextlib.suppress(Conflict):  # another worker created it
                self.save(self._new(now))

    def _new(self, now: int) -> DeliveryState:
        return DeliveryState(self._job_id, self._destination, since=to_ms(now))

    def acquire_lease(self, owner: str, now: int) -> DeliveryState | None:
        """Take the destination's lease and return the state; None while another worker holds the lease.

        Alerts of a new destination begin with results written from ``now`` on, epoch seconds.
        """
        found = self._cluster.get(STATE_INDEX, self._id)
        sent = self._new(now) if found is None else _from(found)
        if sent.owner not in (None, owner) and sent.owned_until > now:
            return None
        try:
            return self.save(replace(sent, owner=owner, owned_until=now + LEASE))
        except Conflict:
            return None

    def release(self, sent: DeliveryState) -> None:
        """Release the destination's lease."""
        self.save(replace(sent, owner=None, owned_until=0))

    def save(self, sent: DeliveryState) -> DeliveryState:
        """Write the state. Raises Conflict where another worker wrote it in between."""
        written = self._cluster.put(
            STATE_INDEX, self._id, _source(sent), if_match=sent.stored, create=sent.stored is None
        )
        return replace(sent, stored=written)

    @property
    def _id(self) -> str:
        return f"alerts:{self._job_id}:{self._destination}"


def forget(cluster: Cluster, job_id: str) -> int:
    """Delete the states of a job's notifications; return the number of destinations."""
    cluster.refresh(STATE_INDEX)
    query = {"bool": {"filter": [{"term": {"type": "alerts"}}, {"term": {"job_id": job_id}}]}}
    return sum(cluster.delete(STATE_INDEX, each.id) for each in list(cluster.scan(STATE_INDEX, query)))


def _source(sent: DeliveryState) -> dict[str, Any]:
    plain = ("since", "failures", "retry_at", "asked_until", "owner", "owned_until", "failing_since", "error")
    details = {name: getattr(sent, name) for name in plain} | {
        "destination": sent.destination, "ids": dict(sent.ids), "times": list(sent.times),
        "waiting": dict(sent.waiting), "refused": {name: list(each) for name, each in sent.refused.items()},
    }  # fmt: skip
    return {"type": "alerts", "format": FORMAT, "job_id": sent.job_id, "details": details}


def _from(document: Document) -> DeliveryState:
    """Read a stored state. Raises SnapshotForeign for a newer format, StateDamaged for an invalid value."""
    fields = Fields(document.source, f"the state of notifications {document.id} is damaged", _DAMAGED_HINT)
    fields.refuse_newer(f"the state of notifications {document.id}", FORMAT)
    details, most = fields.inside("details"), to_ms(LATEST)
    return DeliveryState(
        job_id=fields.text("job_id"),
        destination=details.text("destination"),
        since=details.number("since", 0, most),
        ids=_times(details.inside("ids"), most),
        times=tuple(details.whole("times", time, 0, LATEST) for time in details.rows("times")),
        failures=details.number("failures", 0, 1 << 31),
        retry_at=details.number("retry_at", 0, LATEST),
        waiting=_times(details.inside("waiting"), LATEST),
        refused=_refused(details.inside("refused")),
        asked_until=details.number("asked_until", 0, LATEST, absent=0),
        failing_since=details.number("failing_since", 0, LATEST, absent=0),
        error=details.text_or_none("error") or "",
        owner=details.text_or_none("owner"),
        owned_until=details.number("owned_until", 0, LATEST),
        stored=document,
    )


def _times(fields: Fields, most: int) -> dict[str, int]:
    return {name: fields.number(name, 0, most) for name in fields.names}


def _refused(fields: Fields) -> dict[str, tuple[int, int]]:
    """Read for each alert how often it was refused, and when it may be tried again."""
    found = {}
    for name in fields.names:
        row = fields.rows(name)
        if len(row) != 2:
            fields.wrong(name, row, "how often, and a time")
        found[name] = (fields.whole(name, row[0], 0, 1 << 31), fields.whole(name, row[1], 0, LATEST))
    return found
