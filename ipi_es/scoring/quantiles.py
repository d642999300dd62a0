"""Quantiles of one level of a job: the history of raw scores that a raw score is compared with.

A fixed grid of exponentially decaying counts over the raw anomaly score. It merges exactly, decays exactly, has no
randomness and is one array. A job keeps one for each level: record; influencer per field; bucket influencer per field;
``bucket_time``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ipi_es.errors import SnapshotDamaged
from ipi_es.scoring.probability import raw_score

if TYPE_CHECKING:
    from ipi_es.scoring.array_checks import F64, Counts

DAY_S: Final = 86_400
COUNT_HALF_LIFE_S: Final = 30 * DAY_S
"""Half-life of a count, in seconds of event time: a month of habit."""
LARGEST_HALF_LIFE_S: Final = 7 * DAY_S
"""Half-life of the largest score, in seconds of event time: one loud attack must not blind the job for weeks."""
LARGEST_CAP: Final = float(raw_score(np.array([math.log(1e-10)]))[0])
"""Raw scores beyond s(1e-10) = 7.39 count as that much when shares of the largest are taken."""
CELLS: Final = 800
"""Log-spaced cells over [LOWEST, HIGHEST]; a cell is 1.5 % wide. The cell before them counts zeros."""
LOWEST: Final = 8e-4
"""Just below s(0.035) = 8.6e-4, the smallest raw score of a single result; anything smaller falls in cell 1."""
HIGHEST: Final = 100.0
WARM_COUNT: Final = 10.0
"""With fewer (decayed) results the job is warming up."""
DOUBTED_SOURCES: Final = 3
"""Sources (accounts; for failed sign-ins, addresses) that one attacker is assumed to control: the results of this many
sources don't decide other scores."""
SOURCES: Final = 256
"""Sources whose largest score a level remembers. Up to 60,000 results, fewer sources decide the rank that makes a
result critical, 0.4 % of all; beyond that, the probability decides."""
CHANCE: Final = 4.0
"""The chance level of n results is p = 1 / (CHANCE · n): one of n normal results is below it in 22 histories of 100."""
ANONYMOUS: Final = 0
"""The key of a result whose source isn't known: each is a source of its own."""

_CELLS_PER_LN = CELLS / math.log(HIGHEST / LOWEST)


def cells_of(s: npt.ArrayLike) -> Counts:
    """Give the cells (int64[n]: 0 for zero, 1–800 above) of raw scores (float[n])."""
    x = np.asarray(s, dtype=np.float64)
    cells = np.zeros(x.shape, dtype=np.int64)
    above = ~(x <= 0.0)
    cells[above] = np.clip((np.log(x[above] / LOWEST) * _CELLS_PER_LN).astype(np.int64) + 1, 1, CELLS)
    return cells


@dataclass(frozen=True, eq=False)
class LargestSources:
    """The largest raw score of each of the at most :data:`SOURCES` sources with the largest ones. Immutable."""

    keys: Counts
    """int64[k] in [0, 2^52), each once, except ANONYMOUS."""
    scores: F64
    """float64[k], capped at 7.39 and decayed; in descending order."""

    @classmethod
    def none(cls) -> LargestSources:
        """Create an instance without sources."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0))

    def added(self, keys: Counts, scores: F64) -> LargestSources:
        """Add results (int64[n], float64[n]); those with a score of 0 are ignored."""
        keys = np.concatenate([self.keys, keys[scores > 0.0]])
        scores = np.concatenate([self.scores, np.minimum(scores[scores > 0.0], LARGEST_CAP)])
        order = np.lexsort((keys, -scores))
        keys, scores = keys[order], scores[order]
        first = np.zeros(len(keys), dtype=np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        kept = np.flatnonzero(first | (keys == ANONYMOUS))[:SOURCES]
        return LargestSources(keys[kept], scores[kept])

    def aged(self, factor: float) -> LargestSources:
        """Let the scores decay; their order stays."""
        return LargestSources(self.keys, self.scores * factor)

    def score_of(self, keys: Counts) -> F64:
        """Give the largest score of each source (int64[n] → float64[n]); 0 where none is remembered."""
        order = np.argsort(self.keys, kind="stable")
        place = np.searchsorted(self.keys, keys, sorter=order)
        found = np.zeros(len(keys))
        inside = np.flatnonzero(place < len(order))
        at = order[place[inside]]
        same = (self.keys[at] == keys[inside]) & (keys[inside] != ANONYMOUS)
        found[inside[same]] = self.scores[at[same]]
        return found

    @property
    def undoubted(self) -> float:
        """The largest score after the first :data:`DOUBTED_SOURCES` sources; 0 where there are no more."""
        return float(self.scores[DOUBTED_SOURCES]) if len(self.scores) > DOUBTED_SOURCES else 0.0


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Immutable: ``aged``, ``added`` and ``merged`` give new ones."""

    counts: F64
    """float64[801], decayed results per cell."""
    largest: float = 0.0
    """Largest raw score seen, capped at 7.39 and decayed."""
    sources: LargestSources = field(default_factory=LargestSources.none)
    """The sources of the largest scores."""

    @classmethod
    def empty(cls) -> Quantiles:
        """Create an instance without results."""
        return cls(np.zeros(CELLS + 1))

    @property
    def n(self) -> float:
        """Decayed number of results, zeros included."""
        return float(self.counts.sum())

    @property
    def yardstick(self) -> float:
        """The value that a raw score is compared with: the largest seen, but at least what chance alone gives.

        The largest leaves out three sources: otherwise an attacker with one very unusual result from each of three
        accounts would make all later results look small for weeks.

        The least probable of n normal results is below p = 1 / (4n) in 22 histories of 100. Without this floor, a
        quiet week makes ordinary chance look critical. Other critical names in ten days of a simulated company of 2,000
        (seeds 610–619): 6.5 with 2n, 4.2 with 4n; the incidents found are the same.
        """
        by_chance = float(raw_score(np.array([-math.log1p(CHANCE * self.n)]))[0])
        return max(self.sources.undoubted, min(by_chance, LARGEST_CAP))

    @property
    def warming_up(self) -> bool:
        """Whether the history is too short to rank a score."""
        return self.n < WARM_COUNT

    def aged(self, seconds: float) -> Quantiles:
        """Let event time pass, ``seconds`` ≥ 0; two consecutive calls are equal to one with the sum."""
        if not seconds >= 0:
            raise ValueError("event time does not run backwards")
        left = 2.0 ** (-seconds / LARGEST_HALF_LIFE_S)
        return Quantiles(
            self.counts * 2.0 ** (-seconds / COUNT_HALF_LIFE_S), self.largest * left, self.sources.aged(left)
        )

    def added(
        self, s: npt.ArrayLike, *, zeros: int = 0, keys: Counts | None = None, counted_as: F64 | None = None
    ) -> Quantiles:
        """Add results of raw scores ``s`` (float[n], in [0, 100], zeros among them or not) and ``zeros`` more of 0.

        ``keys`` int64[n]: their sources; None: each is a source of its own. ``counted_as`` float64[n]: the scores to
        count, if not ``s``; the sources' largest scores always come from ``s``.
        """
        x = np.asarray(s, dtype=np.float64)
        if zeros < 0 or (x.size and not (float(x.min()) >= 0.0 and float(x.max()) <= HIGHEST)):
            raise ValueError("a raw anomaly score lies in [0, 100], and zeros are counted from 0 up")
        counts = self.counts + np.bincount(cells_of(x if counted_as is None else counted_as), minlength=CELLS + 1)
        counts[0] += zeros
        sources = self.sources.added(np.full(len(x), ANONYMOUS, dtype=np.int64) if keys is None else keys, x)
        return Quantiles(counts, max(self.largest, min(float(x.max(initial=0.0)), LARGEST_CAP)), sources)

    def merged(self, other: Quantiles) -> Quantiles:
        """Merge two histories of one level; both must be aged to the same time."""
        sources = self.sources.added(other.sources.keys, other.sources.scores)
        return Quantiles(self.counts + other.counts, max(self.largest, other.largest), sources)

    def percentile(self, s: npt.ArrayLike, *, counted: bool = True) -> tuple[F64, F64]:
        """Rank raw scores (float[n]) among the *other* results: F in [0, 1] and the others' number (float64[n] each).

        Half of the cell's others lie below. With ``counted`` the results were added already, and one count of their own
        cell (or what decay left of it) is the result itself. That is right for a final bucket and a renormalization; an
        interim bucket, which was never added, needs ``counted=False``. F is 1 where there are no others.
        """
        cells = cells_of(s)
        own = np.minimum(self.counts, 1.0) if counted else np.zeros(CELLS + 1)
        ties = self.counts - own
        below = np.concatenate([[0.0], np.cumsum(self.counts)[:-1]])
        others = np.maximum(self.n - own, 0.0)
        share = np.divide(below + ties / 2.0, others, out=np.ones(CELLS + 1), where=others > 0.0)
        return np.clip(share, 0.0, 1.0)[cells], others[cells]

    def to_array(self) -> F64:
        """Give the state as one array, float64[802 + 2k]: the counts, the largest, the k sources' keys and scores."""
        return np.concatenate([self.counts, [self.largest], self.sources.keys, self.sources.scores])

    @classmethod
    def from_array(cls, array: npt.ArrayLike) -> Quantiles:
        """Restore the state of ``to_array``; one without sources is of an earlier ipi-es. Raises SnapshotDamaged."""
        state = np.array(array, dtype=np.float64)
        rest = state[CELLS + 2 :] if state.ndim == 1 else state
        if (
            state.ndim != 1
            or len(state) < CELLS + 2
            or len(rest) % 2
            or not (np.isfinite(state).all() and float(state.min()) >= 0.0)
        ):
            raise SnapshotDamaged(
                "the saved quantiles of a job can't be used",
                hint="run a backfill over the last 30 days: it builds them again",
            )
        keys, scores = np.split(rest, 2)
        return cls(state[: CELLS + 1], float(state[CELLS + 1]), LargestSources(keys.astype(np.int64), scores))
