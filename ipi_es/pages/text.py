"""Numbers and times as text for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from ipi_es.results.documents import phrases
from ipi_es.scoring.probability import SEVERITY_THRESHOLDS, Severity, severity
from ipi_es.times import SECONDS, iso


def score_text(score: float) -> str:
    """Format a score, 0–100, rounded down, so that it shows no higher severity: 74.9 is 74; below 1 it is ``<1``."""
    return "<1" if 0.0 < score < 1.0 else str(int(score))


def severity_name(score: float) -> str:
    """Return ``critical``, ``major``, ``minor`` or ``warning``."""
    return str(severity(score))


def severity_range(level: Severity) -> str:
    """Return the scores of a severity, from its threshold to the next one: ``50–75``."""
    ends = (*SEVERITY_THRESHOLDS[1:], 100)
    return f"{level.threshold}–{ends[level]}"


def one_in(probability: float) -> str:
    """Format a probability with two digits: ``1 in 6,000``."""
    return phrases.one_in(probability, noun="")


def counted(number: int, noun: str) -> str:
    """Format a count: ``1 event``, ``2,000 events``."""
    return phrases.plural(number, noun)


def rough_span(seconds: int) -> str:
    """Format a length of time in its largest unit, rounded down: ``185 days``, ``1 hour``."""
    for noun in ("day", "hour", "minute"):
        if seconds >= SECONDS[noun[0]]:
            return counted(seconds // SECONDS[noun[0]], noun)
    return counted(seconds, "second")


@dataclass(frozen=True, slots=True)
class TimeShown:
    """Formats times in one zone, with the zone's name. ``zone`` None: that of this machine."""

    zone: tzinfo | None = UTC

    def at(self, seconds: int) -> str:
        """Format ``2026-05-22 08:00 +02:00``, in UTC ``2026-05-22 06:00 UTC``; ``seconds`` since the epoch."""
        return f"{self.minute(seconds)} {self.zone_name(seconds)}"

    def copyable(self, seconds: int) -> str:
        """Format for ``--start``: ``2026-05-22T06:00:00Z``, in other zones ``2026-05-22T08:00:00+02:00``."""
        return iso(seconds) if self.zone is UTC else self.iso(seconds)

    def minute(self, seconds: int) -> str:
        """Format ``2026-05-22 08:00``."""
        return self._local(seconds).strftime("%Y-%m-%d %H:%M")

    def day(self, seconds: int) -> str:
        """Format ``Fri 22 May``; independent of the locale, so that a page is the same on every machine."""
        moment = self._local(seconds)
        return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]}"

    def hour(self, seconds: int) -> str:
        """Format ``08:00``."""
        return self._local(seconds).strftime("%H:%M")

    def midnight(self, seconds: int) -> bool:
        """Decide whether the time is a midnight in the zone."""
        moment = self._local(seconds)
        return (moment.hour, moment.minute, moment.second) == (0, 0, 0)

    def zone_name(self, seconds: int) -> str:
        """Return ``UTC`` or the offset, ``+02:00``; names such as CST or IST are ambiguous."""
        return "UTC" if self.zone is UTC else self.iso(seconds)[len("2026-05-22T08:00:00") :]

    def iso(self, seconds: int) -> str:
        """Format for machines: ``2026-05-22T08:00:00+02:00``."""
        return self._local(seconds).isoformat()

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, tz=UTC).astimezone(self.zone)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
