"""Numbers and times as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from ipi_es.results.documents import phrases
from ipi_es.scoring.probability import SEVERITY_THRESHOLDS, Severity, severity
from ipi_es.times import iso


def score_text(score: float) -> str:
    """A score, 0–100, as a whole number that never reaches a severity that the score doesn't: 74.9 is 74."""
    return "<1" if 0.0 < score < 1.0 else str(int(score))


def severity_name(score: float) -> str:
    """``critical``, ``major``, ``minor`` or ``warning``."""
    return str(severity(score))


def severity_range(level: Severity) -> str:
    """``50–75``: the scores of a severity, from its threshold up to the next one's."""
    ends = (*SEVERITY_THRESHOLDS[1:], 100)
    return f"{level.threshold}–{ends[level]}"


def one_in(probability: float) -> str:
    """``1 in 6,000``: two digits say enough of a rarity."""
    return phrases.one_in(probability, noun="")


def counted(number: int, noun: str) -> str:
    """``1 event``, ``2,000 events``."""
    return phrases.plural(number, noun)


@dataclass(frozen=True, slots=True)
class TimeShown:
    """Times as they are shown: in one zone, which each names. ``zone`` None: that of this machine."""

    zone: tzinfo | None = UTC

    def at(self, seconds: int) -> str:
        """``2026-05-22 08:00 +02:00``, in UTC ``2026-05-22 06:00 UTC``; ``seconds`` since the epoch."""
        return f"{self.minute(seconds)} {self.zone_name(seconds)}"

    def copyable(self, seconds: int) -> str:
        """As ``--start`` takes it again: ``2026-05-22T06:00:00Z``, in other zones ``2026-05-22T08:00:00+02:00``."""
        return iso(seconds) if self.zone is UTC else self.iso(seconds)

    def minute(self, seconds: int) -> str:
        """``2026-05-22 08:00``."""
        return self._local(seconds).strftime("%Y-%m-%d %H:%M")

    def day(self, seconds: int) -> str:
        """``Fri 22 May``; no locale, so that a page is the same wherever it is made."""
        moment = self._local(seconds)
        return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]}"

    def hour(self, seconds: int) -> str:
        """``08:00``."""
        return self._local(seconds).strftime("%H:%M")

    def midnight(self, seconds: int) -> bool:
        """Whether a day begins then, in the zone."""
        moment = self._local(seconds)
        return (moment.hour, moment.minute, moment.second) == (0, 0, 0)

    def zone_name(self, seconds: int) -> str:
        """The offset from UTC, ``+02:00``; ``UTC``. Names such as CST or IST are used for several zones."""
        return "UTC" if self.zone is UTC else self.iso(seconds)[len("2026-05-22T08:00:00") :]

    def iso(self, seconds: int) -> str:
        """For machines: ``2026-05-22T08:00:00+02:00``."""
        return self._local(seconds).isoformat()

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, tz=UTC).astimezone(self.zone)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
