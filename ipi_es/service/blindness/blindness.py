"""Decide whether a job still sees its events: a pure decision, from the counts of one bucket after another.

A job is *blind* where no events come although there usually are some, and *half blind* where most of them are missing,
or where events come but can't be used: a field was renamed, an outcome is spelled differently. The newest
``blind_after`` buckets (more where few events are usual) are compared with
:mod:`~ipi_es.service.blindness.usual_rates`:

- **none**: no event came where at least :data:`NONE_ENOUGH` are usual at this time of the week, and at least
  :data:`QUIET_ENOUGH` on the quietest day; or after an hour that was as busy as usual; or for :data:`EMPTY_DAY`.
- **few**: at most :data:`LOW` of the events of the *quietest* day at this time came; or at most :data:`LOW` of those
  that are usual at this time of the week, after an hour that was as busy as usual. A public holiday is as quiet as a
  Sunday from its morning on: it meets neither condition.
- **unusable**: of the events that can be scored at most :data:`LOW` came, or of one outcome at most :data:`GONE`, both
  in numbers and as a share of all events. A holiday (fewer of all) and a flood of failures (a smaller share) each meet
  one condition only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ipi_es.datafeed.bucket_counts import NO_EVENTS, BucketCounts
from ipi_es.service.blindness.blind_change import BlindChange, BlindReason, BlindState
from ipi_es.service.blindness.usual_rates import DAY, F64, HOUR, MEMORY, WEEK, Rates, UsualRates, as_row

__all__ = ["MEMORY", "BlindChange", "BlindReason", "BlindState", "Blindness"]

NONE_ENOUGH = 20
"""Events that must be usual where none came. With fewer, silence can be chance: a job of one-minute buckets of which
half are empty would be called blind every few days."""

QUIET_ENOUGH = 5
"""Events that even the quietest day should have in an empty stretch, so that the stretch is no holiday."""

EMPTY_DAY = 6 * HOUR
"""Seconds with usual events after which an empty stretch counts as blind, even if it could be a holiday without any
sign-in."""

ENOUGH = 50
"""Events that must be usual where some came. By chance alone, at most 35 % of 50 come once in 10^7 stretches."""

LOW = 0.35
"""Share of the usual number up to which most events count as missing. The usual number is a low estimate: of the
typical number of events this share is some 15 to 25 %. Measured: with 0.25, a tenth of the losses of 90 % at the
beginning of a working day were detected one bucket later."""

GONE = 0.02
"""The same share for one outcome among several. Failures come in waves, of typing errors and of attacks: only where
almost none are left has their spelling changed."""

BACK = 0.5
"""Share of the usual number from which a bucket counts as recovered."""

BACK_ENOUGH = 10
"""Events that must be usual over the recovered buckets in a row before a half blind job counts as recovered."""

WORKING = 2.0
"""Times the quietest day's events from which a usual day differs enough from a quiet one by its number of events."""

LONGEST_SPAN = 3 * HOUR
"""Seconds; longest bucket span at which the bucket before a drop belongs to the same part of the day."""

MOST = 0.5
"""Share of the events that must newly lack a field for it to be the reason."""

ACCEPTED_AFTER = 2 * WEEK
"""Seconds after which the events of a half blind job are accepted as usual: the source was retired on purpose."""


_DROPS = (BlindReason.ENTITY_MISSING, BlindReason.ADDRESS_MISSING, BlindReason.ADDRESS_MALFORMED)
_EVENTS, _USABLE = 0, 1  # columns; then the outcomes, the drops, and 1 for a bucket that has events


@dataclass(frozen=True, slots=True)
class _Finding:
    """A finding in the newest ``buckets`` buckets; ``column`` is the column whose events are missing."""

    column: int
    buckets: int
    rates: Rates | None
    """None: the stretch is empty."""
    usual: float


class Blindness:
    """Detects whether a job is blind from its buckets' counts, given in order, empty buckets too."""

    def __init__(
        self, bucket_span: int, blind_after: int, scored: Sequence[str] = (), others: Sequence[str] = ()
    ) -> None:
        """Start without any bucket. ``bucket_span`` is in seconds; ``blind_after`` in buckets, 0: never blind.

        ``scored`` are the outcomes that are scored; ``others`` are further outcomes that are read.
        """
        self._span, self._after = bucket_span, blind_after
        self._scored, self._outcomes = tuple(scored), tuple(dict.fromkeys((*scored, *others)))
        alone = self._scored if len(self._scored) == 1 else ()  # all usable events have this outcome
        self._judged = [_USABLE] * bool(self._scored)
        self._judged += [2 + place for place, name in enumerate(self._outcomes) if name not in alone]
        self._drops = 2 + len(self._outcomes)
        self._full = self._drops + len(_DROPS)
        self._rates = UsualRates(bucket_span, self._full + 1, max(blind_after, 1))
        self._hour = max(HOUR // bucket_span, 1)  # buckets
        self._fresh = 0  # buckets since the last gap: silence isn't counted across a gap
        self._empty = 0  # empty buckets in a row
        self._last = 0  # end of the newest bucket that was noted
        self._first: int | None = None  # start of the oldest
        self._current: BlindChange | None = None  # the change by which the job became blind or half blind
        self._trickles = False  # a few events came after none: an empty stretch after that is no new change
        self._real: list[F64] = []  # counts since that change: the memory has usual counts in their place
        self._back = 0  # recovered buckets in a row
        self._back_usual = 0.0  # events that are usual over them

    @property
    def current(self) -> BlindChange | None:
        """The change by which the job is blind or half blind; None: it is neither."""
        return self._current

    @property
    def begun(self) -> BlindChange | None:
        """The same as ``current``; None also where it began with the first bucket: that was reported long ago."""
        current = self._current
        return None if current is None or current.start == self._first else current

    @property
    def blind(self) -> bool:
        """Whether the job is blind or half blind."""
        return self._current is not None

    @property
    def empty_buckets(self) -> int:
        """How many of the newest buckets in a row have been empty."""
        return self._empty

    def recall(self, counts: Iterable[tuple[int, BucketCounts]]) -> None:
        """Learn from earlier buckets, (end, counts) in order of time, without returning changes."""
        for end, one in counts:
            self.note(end, one)

    def note(self, end: int, counts: BucketCounts) -> BlindChange | None:
        """Take in one more bucket, by its exclusive end in epoch seconds; return the change that it caused, if any.

        A bucket that was noted before (a batch that is repeated) changes nothing. After a gap (another worker had the
        job) silence is counted from zero again: the events of the gap aren't known.
        """
        if end <= self._last or self._after == 0:
            return None
        if self._first is None:
            self._first = end - self._span
        elif end != self._last + self._span:
            self._skip((end - self._last) // self._span - 1)
        self._last = end
        self._empty = 0 if counts.events else self._empty + 1
        row = self._row(counts)
        if counts.events or len(self._rates):  # the time before the first event is no quiet time
            self._rates.add(row)
            self._fresh += 1
        return self._judge_new() if self._current is None else self._judge_current(row)

    def _row(self, counts: BucketCounts) -> F64:
        outcomes = [counts.outcomes.get(name, 0) for name in self._outcomes]
        usable = sum(counts.outcomes.get(name, 0) for name in self._scored)
        drops = (counts.missing_entity, counts.missing_ip, counts.malformed_ip)
        return as_row([counts.events, usable, *outcomes, *drops, counts.events > 0])

    def _skip(self, buckets: int) -> None:
        """Fill a gap of so many buckets with the counts of a week before."""
        nothing = self._row(NO_EVENTS)
        for _ in range(min(max(buckets, 0), MEMORY // self._span)):
            self._rates.add(nothing)
            self._rates.replace(self._rates.week_before(1))
        self._fresh = self._empty = 0
        self._real = []
        self._back, self._back_usual = 0, 0.0

    # --- beginning ---

    def _judge_new(self) -> BlindChange | None:
        found = self._found()
        if found is None:
            return None
        change = self._current = self._change_of(found)
        self._trickles = False
        since = (self._last - change.start) // self._span
        self._real = list(self._rates.newest(since))
        self._rates.replace(self._rates.week_before(len(self._real)))
        self._back, self._back_usual = 0, 0.0
        return change

    def _found(self) -> _Finding | None:
        if self._empty >= WEEK // self._span:
            return _Finding(_EVENTS, self._empty, None, 0.0)
        if self._empty >= self._after:
            usual = self._missed()
            if usual:
                return _Finding(_EVENTS, self._empty, None, usual)
        buckets, times = self._after, 1
        while buckets <= min(self._fresh, max(DAY // self._span, self._after)):
            # a stretch twice as long is checked half as often
            rates = self._rates.rates(buckets) if self._fresh % times == 0 else None
            found = None if rates is None else self._few(buckets, rates) or self._unusable(buckets, rates)
            found = None if found is None else self._trimmed(found)
            if found is not None:
                return found
            buckets, times = 2 * buckets, 2 * times
        return None

    def _trimmed(self, found: _Finding) -> _Finding | None:
        """Return the finding without the buckets at the beginning of its stretch that were as usual.

        None: no event came after them; an empty stretch is judged separately.
        """
        column, buckets = found.column, found.buckets
        while buckets > 1:
            first = self._rates.rates(1, buckets - 1)
            if first is None or first.seen[column] < BACK * max(first.usual(column), 1.0):
                break
            buckets -= 1
        rates = self._rates.rates(buckets)
        if rates is None or buckets == found.buckets:
            return found
        if rates.seen[_EVENTS] == 0:
            return None
        return _Finding(column, buckets, rates, rates.usual(_EVENTS) if column == _EVENTS else _usual_of(column, rates))

    def _missed(self) -> float:
        """Return the number of events usual in the empty stretch if it makes the job blind; else 0.

        It is summed part by part: clocks may have been put forward or back in a week before.
        """
        part = max(EMPTY_DAY // self._span, 1)
        usual = filled = 0.0
        parts: list[Rates] = []
        for before in range(0, self._empty, part):
            rates = self._rates.rates(min(part, self._empty - before), before)
            if not before and (rates is None or not rates.usual(_EVENTS)):
                return 0.0  # no more events are missing than at the bucket before
            if rates is None:
                break
            usual, filled = usual + rates.usual(_EVENTS), filled + rates.usual(self._full)
            parts.append(rates)
        if usual < NONE_ENOUGH or filled < self._after:
            return 0.0
        no_holiday = filled * self._span >= EMPTY_DAY or self._was_working(self._empty)
        return usual if no_holiday or sum(each.quiet(_EVENTS) for each in parts) >= QUIET_ENOUGH else 0.0

    def _few(self, buckets: int, rates: Rates) -> _Finding | None:
        seen, usual = rates.seen[_EVENTS], rates.usual(_EVENTS)
        if seen == 0 or usual < ENOUGH or seen > LOW * usual:
            return None  # an empty stretch is judged as a whole
        quiet = rates.quiet(_EVENTS)
        below_quiet = quiet >= ENOUGH and seen <= LOW * quiet
        return _Finding(_EVENTS, buckets, rates, usual) if below_quiet or self._was_working(buckets) else None

    def _was_working(self, before: int) -> bool:
        """Decide whether one of the two hours before the newest ``before`` buckets was busier than on a quiet day.

        False if the buckets last longer than :data:`EMPTY_DAY`: those hours may belong to another day.
        """
        if self._span > LONGEST_SPAN or before * self._span > max(EMPTY_DAY, self._after * self._span):
            return False
        for skipped in (0, self._hour):
            rates = self._rates.rates(self._hour, before + skipped)
            if rates is None or self._fresh < before + skipped + self._hour:
                return False
            seen, usual, quiet = rates.seen[_EVENTS], rates.usual(_EVENTS), rates.quiet(_EVENTS)
            if usual >= WORKING * quiet + BACK_ENOUGH and seen >= (usual + quiet) / 2:
                return True
        return False

    def _unusable(self, buckets: int, rates: Rates) -> _Finding | None:
        if rates.seen[_EVENTS] == 0:
            return None
        for column in self._judged:
            low, seen = LOW if column == _USABLE else GONE, rates.seen[column]
            enough = ENOUGH if seen or column != _USABLE else NONE_ENOUGH
            if rates.usual(column) < enough or seen > low * rates.usual(column):
                continue
            usual = _usual_of(column, rates)
            if usual >= enough and seen <= low * usual:
                return _Finding(column, buckets, rates, usual)
        return None

    # --- while blind, and the end ---

    def _judge_current(self, row: F64) -> BlindChange | None:
        current = self._current
        assert current is not None
        self._real.append(row)
        if len(self._rates):
            self._rates.replace(self._rates.week_before(1))
        if self._recovered(current, row):
            return self._end(current)
        if current.state is BlindState.HALF_BLIND and self._last - current.start >= ACCEPTED_AFTER:
            self._back = len(self._real)
            return self._end(current, accepted=True)
        return self._other_state(current, row)

    def _recovered(self, current: BlindChange, row: F64) -> bool:
        usual, seen = self._usual_now(current, row), row[self._column_of(current)]
        if seen < BACK * usual:
            self._back, self._back_usual = 0, 0.0
        elif seen:
            self._back, self._back_usual = self._back + 1, self._back_usual + usual
        elif self._back:
            self._back += 1
        if not seen or not self._back:
            return False
        return current.state is BlindState.BLIND or self._back_usual >= BACK_ENOUGH

    def _usual_now(self, current: BlindChange, row: F64) -> float:
        """Return the usual number for the newest bucket; the memory has the counts of a week ago in its place."""
        rates, column = self._rates.rates(1), self._column_of(current)
        if rates is None or column == _EVENTS:
            return 0.0 if rates is None else rates.usual(_EVENTS)
        share = rates.usual_share(column)
        return min(rates.usual(column), float(row[_EVENTS]) * share) if np.isfinite(share) else 0.0

    def _other_state(self, current: BlindChange, row: F64) -> BlindChange | None:
        """Return the change from half blind to blind (no events after a few) or back, if there is one."""
        if current.state is BlindState.BLIND and row[_EVENTS]:
            self._trickles = True
            return self._changed(current, BlindState.HALF_BLIND, BlindReason.FEW_EVENTS)
        half = current.state is BlindState.HALF_BLIND and not self._trickles
        if half and self._empty >= self._after and self._missed():
            return self._changed(current, BlindState.BLIND, BlindReason.NO_EVENTS)
        return None

    def _changed(self, current: BlindChange, state: BlindState, reason: BlindReason) -> BlindChange:
        seen = int(sum(row[_EVENTS] for row in self._real))
        usual = int(self._rates.newest(len(self._real))[:, _EVENTS].sum())
        self._current = BlindChange(state, reason, current.start, self._last, events=seen, seen=seen, usual=usual)
        self._back, self._back_usual = 0, 0.0
        return self._current

    def _end(self, current: BlindChange, *, accepted: bool = False) -> BlindChange:
        back = self._back
        self._rates.replace(np.array(self._real[-min(back, len(self._rates)) :]))
        end = self._last if accepted else self._last - back * self._span
        self._current, self._real, self._fresh, self._empty = None, [], back, 0
        self._back, self._back_usual = 0, 0.0
        return replace(current, state=BlindState.ENDED, end=end, accepted=accepted)

    # --- the change that is reported ---

    def _change_of(self, found: _Finding) -> BlindChange:
        rates, usual, start = found.rates, round(found.usual), self._last - found.buckets * self._span
        if rates is None:
            return BlindChange(BlindState.BLIND, BlindReason.NO_EVENTS, start, self._last, usual=usual)
        events, seen = int(rates.seen[_EVENTS]), int(rates.seen[found.column])
        half = BlindState.HALF_BLIND
        if found.column == _EVENTS:
            return BlindChange(half, BlindReason.FEW_EVENTS, start, self._last, events=events, seen=seen, usual=usual)
        reason, share, usual_share = self._why(rates)
        outcome = self._outcomes[found.column - 2] if found.column > _USABLE else None
        return BlindChange(
            half,
            reason,
            start,
            self._last,
            events=events,
            seen=seen,
            usual=usual,
            share=share,
            usual_share=usual_share,
            outcome=outcome,
        )

    def _why(self, rates: Rates) -> tuple[BlindReason, float, float]:
        """Return (reason, share of the events with that fault, what that share usually is at least)."""
        found = []
        for reason, column in zip(_DROPS, range(self._drops, self._full), strict=True):
            share, usual = float(rates.seen[column] / rates.seen[_EVENTS]), rates.usual_share(column)
            found.append((share - (usual if np.isfinite(usual) else 0.0), reason, min(share, 1.0)))
        more, reason, share = max(found, key=lambda each: each[0])
        return (reason, share, max(share - more, 0.0)) if more >= MOST else (BlindReason.OUTCOME_MISSING, 0.0, 0.0)

    def _column_of(self, change: BlindChange) -> int:
        if change.reason in (BlindReason.NO_EVENTS, BlindReason.FEW_EVENTS):
            return _EVENTS
        return _USABLE if change.outcome is None else 2 + self._outcomes.index(change.outcome)


def _usual_of(column: int, rates: Rates) -> float:
    """Return how many of a column's events are usual among the events that came."""
    events = float(rates.seen[_EVENTS])
    if events >= (rates.usual(_EVENTS) + rates.quiet(_EVENTS)) / 2:  # as many as on a working day
        return min(rates.usual(column), events * rates.usual_share(column))
    return min(rates.quiet(column), events * rates.quiet_share(column))
