"""What is said of a finding: who, from where, when, how unusual, why, and where to look."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.alerts.kinds import TITLES, Kind
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

DIGEST_LINES = 10
"""Alerts that a message for several shows, and findings that an alert names; the rest is counted."""

SHOWN = 3
"""Entities, and addresses, that a line names; the rest is counted."""


def named(names: Sequence[str], count: int, *, exact: bool = True) -> str:
    """``a, b, c and 42 more``: the first of ``names``, which are among ``count``, or among at least that many."""
    more = max(count, len(names)) - len(names[:SHOWN])
    rest = f" and {'' if exact else 'at least '}{more:,} more" if more and names else ""
    return ", ".join(names[:SHOWN]) + rest


@dataclass(frozen=True, slots=True)
class Message:
    """One alert. ``when`` is the bucket's start, epoch seconds; ``score`` 0–100, None where there is none.

    ``id`` is the same however often it is sent: what receivers drop repeats by. ``who`` and ``where`` are for people;
    ``entities`` and ``addresses`` are names of ``entity_count`` and ``address_count``, the worst first. ``findings``:
    those that the alert puts together, none where it is one alone.
    """

    id: str
    job_id: str
    alert: Kind
    when: int
    severity: str
    why: str
    score: float | None = None
    who: str = ""
    where: str = ""
    link: str = ""
    entities: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    entity_count: int = 0
    address_count: int = 0
    findings: tuple[Message, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its findings."""
        return tuple(each.id for each in self.findings) or (self.id,)

    @property
    def title(self) -> str:
        """One line, whatever line ends a name has."""
        return visible(f"ipi-es {self.job_id}: {self.line}")

    @property
    def line(self) -> str:
        """How unusual, who and from where."""
        score = "" if self.score is None else f" {int(self.score)}"  # 74.9 is 74: no severity that it doesn't reach
        whom = f", {self.who}" if self.who else ""
        return f"{self.severity}{score}{whom}{f' from {self.where}' if self.where else ''}"

    @property
    def text(self) -> str:
        """For people, below the title: why, and what else belongs to it."""
        others = self.findings[1:]
        lines = [f"- {TITLES[each.alert]}: {visible(each.line)}" for each in others[:DIGEST_LINES]]
        if len(others) > DIGEST_LINES:
            lines.append(f"- … and {len(others) - DIGEST_LINES} more")
        return "\n".join(part for part in (f"{iso(self.when)}: {visible(self.why)}", *lines, self.link) if part)

    def to_dict(self) -> dict[str, Any]:
        """What a webhook gets: the fields that the definitions for consoles send too."""
        return {
            "id": self.id,
            "job_id": self.job_id,
            "alert": self.alert,
            "who": self.who,
            "from": self.where,
            "when": iso(self.when),
            "score": self.score,
            "severity": self.severity,
            "why": self.why,
            "link": self.link,
            "text": f"{self.title}\n{self.text}",
            "entities": list(self.entities),
            "entity_count": self.entity_count,
            "addresses": list(self.addresses),
            "address_count": self.address_count,
            "findings": [each.finding() for each in self.findings or (self,)],
        }

    def finding(self) -> dict[str, Any]:
        """As one of several in an alert."""
        return {
            "id": self.id,
            "alert": self.alert,
            "who": self.who,
            "from": self.where,
            "score": self.score,
            "severity": self.severity,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent at a time: one alert, or, where there are too many, several."""

    messages: tuple[Message, ...]

    @property
    def id(self) -> str:
        """Of the one message, or of all of them together."""
        if len(self.messages) == 1:
            return self.messages[0].id
        ids = "\n".join(sorted(message.id for message in self.messages))
        return f"several|{hashlib.blake2b(ids.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"

    @property
    def finding_ids(self) -> tuple[str, ...]:
        """The ids of all findings that it tells of."""
        return tuple(each for message in self.messages for each in message.ids)

    @property
    def worst(self) -> Message:
        """The one of the highest score; one without a score says that something is wrong, and goes first."""
        return self.messages[0]

    @property
    def title(self) -> str:
        """One line."""
        if len(self.messages) == 1:
            return self.worst.title
        return f"ipi-es {self.worst.job_id}: {len(self.messages)} more alerts, the worst: {self.worst.title}"

    @property
    def text(self) -> str:
        """For people, below the title."""
        if len(self.messages) == 1:
            return self.worst.text
        shown = [f"{message.title}. {message.text}" for message in self.messages[:DIGEST_LINES]]
        more = len(self.messages) - len(shown)
        return "\n\n".join([*shown, f"… and {more} more" if more else ""]).strip()

    def to_dict(self) -> dict[str, Any]:
        """What a webhook gets; several alerts are a list below ``alerts``."""
        if len(self.messages) == 1:
            return self.worst.to_dict()
        return {
            "id": self.id,
            "job_id": self.worst.job_id,
            "alert": "several",
            "text": f"{self.title}\n{self.text}",
            "alerts": [message.to_dict() for message in self.messages],
        }


def in_order(messages: Sequence[Message]) -> list[Message]:
    """What says that something is wrong first, then by score, then by time and id."""
    return sorted(messages, key=lambda each: (each.score is not None, -(each.score or 0.0), each.when, each.id))
