"""Messages about findings: entity, address, time, score, reason, and a link."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.alerts.kinds import TITLES, Kind
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

DIGEST_LINES = 10
"""Alerts that a message for several shows, and findings that an alert names; the others are counted."""

SHOWN = 3
"""Entities, and addresses, that a line names; the others are counted."""


def rounded(score: float) -> float:
    """Round a score down to one decimal: 74.96 becomes 74.9, since 75 would be critical."""
    return math.floor(score * 10) / 10


def named(names: Sequence[str], count: int, *, exact: bool = True) -> str:
    """Format as ``a, b, c and 42 more``: the first of ``names``, out of ``count``, or of at least that many."""
    more = max(count, len(names)) - len(names[:SHOWN])
    rest = f" and {'' if exact else 'at least '}{more:,} more" if more and names else ""
    return ", ".join(names[:SHOWN]) + rest


@dataclass(frozen=True, slots=True)
class Message:
    """One alert. ``when`` is the bucket's start, epoch seconds; ``score`` 0–100, None where there is none.

    ``id`` is the same each time it is sent, so that receivers can drop repeats. ``who`` and ``where`` are for people;
    ``entities`` and ``addresses`` are names out of ``entity_count`` and ``address_count``, the worst first.
    ``findings`` are the findings that the alert merges, empty for a single finding.
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
        """The ids of its findings, or its own id for a single finding."""
        return tuple(each.id for each in self.findings) or (self.id,)

    @property
    def title(self) -> str:
        """One line, even where a name has line ends."""
        return visible(f"ipi-es {self.job_id}: {self.line}")

    @property
    def line(self) -> str:
        """Severity, score, entities and addresses."""
        score = "" if self.score is None else f" {int(self.score)}"  # 74.9 becomes 74: 75 would be critical
        whom = f", {self.who}" if self.who else ""
        return f"{self.severity}{score}{whom}{f' from {self.where}' if self.where else ''}"

    @property
    def text(self) -> str:
        """For people, below the title: the reason, the other findings, and a link."""
        others = self.findings[1:]
        lines = [f"- {TITLES[each.alert]}: {visible(each.line)}" for each in others[:DIGEST_LINES]]
        if len(others) > DIGEST_LINES:
            lines.append(f"- … and {len(others) - DIGEST_LINES} more")
        return "\n".join(part for part in (f"{iso(self.when)}: {visible(self.why)}", *lines, self.link) if part)

    def to_dict(self) -> dict[str, Any]:
        """Return the body for a webhook: the same fields that the definitions for consoles send."""
        return {
            "id": self.id,
            "job_id": self.job_id,
            "alert": self.alert,
            "who": self.who,
            "from": self.where,
            "when": iso(self.when),
            "score": None if self.score is None else rounded(self.score),
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
        """Return the fields of a finding within an alert."""
        return {
            "id": self.id,
            "alert": self.alert,
            "who": self.who,
            "from": self.where,
            "score": None if self.score is None else rounded(self.score),
            "severity": self.severity,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to send: one alert, or several where there are too many."""

    messages: tuple[Message, ...]

    @property
    def id(self) -> str:
        """The id of the only alert, or a digest of the ids of all."""
        if len(self.messages) == 1:
            return self.messages[0].id
        ids = "\n".join(sorted(message.id for message in self.messages))
        return f"several|{hashlib.blake2b(ids.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"

    @property
    def finding_ids(self) -> tuple[str, ...]:
        """The ids of all its findings."""
        return tuple(each for message in self.messages for each in message.ids)

    @property
    def worst(self) -> Message:
        """The alert with the highest score; one without a score reports a fault, and precedes all others."""
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
        """Return the body for a webhook; several alerts are a list in ``alerts``."""
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
    """Sort alerts: those without a score (faults) first, then by score, highest first, then by time and id."""
    return sorted(messages, key=lambda each: (each.score is not None, -(each.score or 0.0), each.when, each.id))
