"""Times and spans in text: ISO 8601, date math (``now-7d``) and Elastic's time units (``15m``)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ipi_es.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"\s*(\d+)\s*(s|m|h|d|w)\s*")
_MATH = re.compile(r"([+-])(\d+)([smhdw])")
_SPACED_OFFSET = re.compile(r"(?<=\d) (?:UTC|([+-]\d\d:\d\d))$")
"""``2026-05-22 08:00 +02:00``, ``2026-05-22 06:00 UTC``: the form in which output shows times."""
_ROUND = re.compile(r"/([smhdw])$")

EARLIEST, LATEST = -62_135_596_800, 253_402_300_800
"""[0001-01-01, 10000-01-01) in epoch seconds: times whose year has four digits, here and on the servers."""

_UNITS = ((100_000_000_000_000_000, 1_000_000_000), (100_000_000_000_000, 1_000_000), (100_000_000_000, 1_000))
"""(minimum, units per second): numbers this large are epoch nanoseconds, microseconds, milliseconds. In the next larger
unit each would be later than the year 5000."""


def to_ms(seconds: int) -> int:
    """Return epoch milliseconds, as documents hold times, of epoch seconds."""
    return seconds * 1_000


def from_ms(milliseconds: float | str) -> int:
    """Return whole epoch seconds of epoch milliseconds, rounded down."""
    return int(milliseconds) // 1_000


def parse_span(text: str) -> int:
    """Return the whole seconds of ``15m``, ``1h``, ``1d`` (units: s, m, h, d, w). Raises UsageError otherwise."""
    match = _SPAN.fullmatch(text)
    if not match:
        raise UsageError(f"“{text}” is not a time span", hint="write a whole number and a unit: 90s, 15m, 1h, 1d, 2w")
    return int(match[1]) * SECONDS[match[2]]


def format_span(seconds: int) -> str:
    """Return the shortest exact text of a span: 3600 → ``1h``."""
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"


def parse_time(text: str, *, now: int) -> int:
    """Return epoch seconds of an ISO 8601 time (UTC if it names no zone), epoch milliseconds, or date math on ``now``.

    A space may precede an ISO time's offset, as in times that output shows. Date math: ``now``, ``now-7d``,
    ``now-1d/d``, ``2026-05-01||+1d``. Rounding ``/d`` rounds down, in UTC. Raises UsageError for any other text, and
    for times outside the years 1 to 9999.
    """
    return from_ms(parse_milliseconds(text, now=now))


def parse_milliseconds(text: str, *, now: int) -> int:
    """Return epoch milliseconds of a text as :func:`parse_time` takes it; ``now`` is in epoch seconds."""
    base, bars, rest = text.strip().partition("||")
    if base.startswith("now"):
        start, math = to_ms(now), base[3:]
    else:
        start, math = _parse_iso(base), rest if bars else ""
    rounding = _ROUND.search(math)
    if rounding:
        math = math[: rounding.start()]
    if "".join(match[0] for match in _MATH.finditer(math)) != math:
        raise _not_a_time(text)
    for sign, number, unit in _MATH.findall(math):
        start += (1 if sign == "+" else -1) * int(number) * to_ms(SECONDS[unit])
    if rounding:
        # weeks start on Monday, as in the servers' date math; the epoch was a Thursday
        offset, unit_ms = (to_ms(4 * SECONDS["d"]) if rounding[1] == "w" else 0), to_ms(SECONDS[rounding[1]])
        start = (start - offset) // unit_ms * unit_ms + offset
    if not to_ms(EARLIEST) <= start < to_ms(LATEST):
        raise UsageError(f"“{text}” lies outside of the years 1 to 9999", hint="write a time such as now-7d")
    return start


def _parse_iso(text: str) -> int:
    if re.fullmatch(r"\d{11,}", text):
        return int(text)
    try:
        parsed = datetime.fromisoformat(_SPACED_OFFSET.sub(lambda match: match[1] or "Z", text))
    except ValueError:
        raise _not_a_time(text) from None
    return ((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def row_time(text: str) -> int | None:
    """Return epoch seconds of a time in a file of rows; None for other texts.

    ISO 8601 (UTC if it names no zone), or epoch seconds, milliseconds, microseconds or nanoseconds.
    """
    try:
        try:
            value = float(text)
        except ValueError:
            parsed = datetime.fromisoformat(text.upper().removesuffix(" UTC"))
            return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
        seconds = int(value) // next((unit for least, unit in _UNITS if abs(value) >= least), 1)
    except (ValueError, OverflowError):  # nan and inf too
        return None
    return seconds if abs(seconds) < LATEST else None


def _not_a_time(text: str) -> UsageError:
    return UsageError(f"“{text}” is not a time", hint="write 2026-05-01, 2026-05-01T08:00:00Z, now, now-7d or now-1d/d")


@lru_cache(maxsize=256)  # results of one bucket repeat the same times
def iso(seconds: int) -> str:
    """Format epoch seconds as ``2026-05-01T08:00:00Z``."""
    time = _EPOCH + timedelta(seconds=seconds)
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")  # strftime writes the year 1 with one digit


def day_of(seconds: int) -> int:
    """Return the UTC day (days since the epoch) that a time (epoch seconds) lies in."""
    return seconds // SECONDS["d"]
