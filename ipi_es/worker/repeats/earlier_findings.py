"""Repeats: a finding that was already reported within ``repeat_window`` is recorded again without a new alert.

See scoring.md §4. The window begins with the *first* record and is never extended, so that a lasting finding is
reported once a window. Only a finding that was really reported is repeated: a more severe or a larger one is new, and
begins a new window (:mod:`ipi_es.worker.repeats.repeat_decision`). A success never repeats a failure.
Earlier findings come from the result index when a run starts, and from the run itself afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ipi_es.config.job_config import Job
from ipi_es.results.reading.reported import First, Recent, ReportedIp, ReportedMove, ReportedPair
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.times import SECONDS


@dataclass(slots=True)
class Repeats:
    """First records by (entity, IP, failures only), first critical IP influencers by (IP, failures only), and moves.

    ``window`` and ``move_window`` are in seconds; 0: no repeats, and no move is recognized.
    """

    window: int
    move_window: int = 0
    pairs: dict[tuple[str, str, bool], First] = field(default_factory=dict)
    ips: dict[tuple[str, bool], First] = field(default_factory=dict)
    moves: dict[str, ReportedMove] = field(default_factory=dict)
    """By network."""

    @classmethod
    def of(cls, job: Job) -> Repeats:
        """Return the repeats of a job without any finding yet.

        Moves are known for as long as the pairs of their accounts are held. None is recognized where no influencer of
        an address reports it, where alerts read records alone, or where failures can't be told from successes: a
        spraying would look like a group.
        """
        window = job.repeat_window
        reported = job.ip_field in job.influencers and set(job.alerts.on) != {"records"}
        recognized = window and reported and job.datafeed_config.knows_successes
        return cls(window, max(window, job.hold_days * SECONDS["d"]) if recognized else 0)

    def read(self, results: ResultReader, end: int, ip_field: str) -> Recent:
        """Read from the results what a bucket at ``end`` (epoch seconds) may repeat."""
        return results.recent(end - self.window, end, ip_field, moves_from=end - self.move_window)

    def load(
        self, pairs: Iterable[ReportedPair], ips: Iterable[ReportedIp], moves: Iterable[ReportedMove] = ()
    ) -> None:
        """Load the findings that earlier runs reported, in any order."""
        for pair in sorted(pairs, key=lambda row: (row.time, row.id)):
            self.add_pair(pair)
        for ip in sorted(ips, key=lambda row: (row.time, row.id)):
            self.add_ip(ip)
        for move in sorted(moves, key=lambda row: (row.time, row.id)):
            self.add_move(move)

    def reload(
        self, pairs: Iterable[ReportedPair], ips: Iterable[ReportedIp], moves: Iterable[ReportedMove] = ()
    ) -> None:
        """Forget everything, then load as :meth:`load` does."""
        self.pairs.clear()
        self.ips.clear()
        self.moves.clear()
        self.load(pairs, ips, moves)

    def of_pair(self, entity: str, ip: str, time: int, *, failures_only: bool = False) -> First | None:
        """Return the record that a record at ``time`` (epoch seconds) may repeat; None: there is none."""
        found = self._within(self.pairs.get((entity, ip, False)), time)
        if found is None and failures_only:
            found = self._within(self.pairs.get((entity, ip, True)), time)
        return found

    def of_ip(self, ip: str, time: int, *, failures_only: bool = False) -> First | None:
        """Return the critical influencer that one at ``time`` (epoch seconds) may repeat; None: there is none."""
        found = self._within(self.ips.get((ip, False)), time)
        if found is None and failures_only:
            found = self._within(self.ips.get((ip, True)), time)
        return found

    def add_pair(self, pair: ReportedPair) -> None:
        """Remember a record that repeats nothing, so that later ones may repeat it."""
        if self.window:
            self.pairs[pair.entity, pair.ip, pair.failures_only] = First(pair.time, pair.id, pair.extent)

    def add_ip(self, ip: ReportedIp) -> None:
        """Remember a critical IP influencer that repeats nothing."""
        if self.window:
            self.ips[ip.ip, ip.failures_only] = First(ip.time, ip.id, ip.extent)

    def add_move(self, move: ReportedMove) -> None:
        """Remember what an influencer reports of a move, so that accounts that follow repeat it."""
        if self.move_window:
            known = self.moves.get(move.network)
            if known is not None or not move.repeats:
                self.moves[move.network] = move if known is None else known.followed_by(move)

    def moves_at(self, time: int) -> dict[str, ReportedMove]:
        """Return the moves that accounts may follow at ``time``, epoch seconds."""
        return {name: move for name, move in self.moves.items() if 0 < time - move.time < self.move_window}

    def forget_before(self, time: int) -> None:
        """Drop findings that can't be repeated from ``time`` on, so that memory depends on the window, not the run."""
        self.pairs = {key: first for key, first in self.pairs.items() if time - first.time < self.window}
        self.ips = {key: first for key, first in self.ips.items() if time - first.time < self.window}
        self.moves = {name: move for name, move in self.moves.items() if time - move.time < self.move_window}

    def _within(self, first: First | None, time: int) -> First | None:
        return first if first is not None and 0 < time - first.time < self.window else None
