"""The use of an event bucket's rows: which are learned, and which calibrate; the one rule for history and training.

Private addresses need no rule: the datafeed leaves them out where the job says so (``ignore_private``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import NO_RULE, AllowList
from ipi_es.datafeed.event_bucket import EventBucket


class PairHolds(Protocol):
    """Knows which pairs are held, and so aren't learned."""

    def of_rows(self, bucket: EventBucket, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which pairs are held at the bucket's time, bool[n].

        ``entity`` int32[n] and ``ip`` int32[n] are indexes into the bucket's entities and IPs.
        """


@dataclass(frozen=True, slots=True, eq=False)
class RowUse:
    """The use of the rows of one event bucket."""

    succeeded: NDArray[np.bool_]
    """bool[rows]: the outcome is one of ``learn_outcomes``."""
    calibrates: NDArray[np.bool_]
    """bool[rows]: the outcome is one of ``score_outcomes``, and no allow rule matches the pair; none in a scheduled
    event."""
    learned: NDArray[np.bool_]
    """bool[rows]: the outcome is one of ``learn_outcomes``, the pair isn't held, and no allow rule matches it, or one
    that says ``learn``; none in a scheduled event."""


def row_use(bucket: EventBucket, job: Job, allow: AllowList, holds: PairHolds | None = None) -> RowUse:
    """Decide what the rows of an event bucket are used for. ``holds`` None: no pair is held."""
    feed = job.datafeed_config
    succeeded, scored = bucket.with_outcome(feed.learn_outcomes), bucket.with_outcome(feed.score_outcomes)
    if allow.calendar.of_bucket(bucket.start, bucket.end):
        none = np.zeros_like(succeeded)
        return RowUse(succeeded, none, none)
    rule = allow.match(bucket.matchable, bucket.entity, bucket.ip)
    free = rule == NO_RULE
    learned = succeeded & free
    if (learns := allow.learns).any():
        learned |= succeeded & ~free & learns[rule]
    if holds is not None:
        rows = np.flatnonzero(learned)  # looking up a hold is slow: failures, of which a flood has millions, have none
        learned[rows] = ~holds.of_rows(bucket, bucket.entity[rows], bucket.ip[rows])
    return RowUse(succeeded, scored & free, learned)
