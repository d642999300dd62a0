"""Decide how the groups that moved to another network are reported, and what that changes in their bucket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.results.reading.reported import ReportedMove
from ipi_es.results.words import CRITICAL
from ipi_es.scoring.probability import severity_levels
from ipi_es.worker.repeats.egress_moves import Groups, Move
from ipi_es.worker.repeats.repeat_decision import KnownFindings
from ipi_es.worker.scoring.outcome_views import Participation, ViewScores
from ipi_es.worker.scoring.scored_pairs import ScoredPairs


class FirstUsers(NamedTuple):
    """Accounts of one address that may be the first ones of a move: one finding, that of the address."""

    influencer: str
    """Id of the address's influencer in this bucket."""
    rows: NDArray[np.intp]
    """Rows of the pairs that raise no alarm of their own, if the influencer does."""


@dataclass(frozen=True, eq=False)
class MovedPairs:
    """The moves of one bucket, and what they change in it."""

    leads: Mapping[int, Move] = field(default_factory=dict)
    """Index of the IP whose influencer reports the move → the move."""
    by_entity: Mapping[int, str] = field(default_factory=dict)
    """Row of a pair that raises no alarm of its own → id of the influencer that reports the move."""
    by_ip: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Rows of pairs that are no members of their own IP: another IP reports the move."""
    repeat_of: Mapping[int, str] = field(default_factory=dict)
    """Index of a lead → id of the influencer that reported the move earlier."""
    first_users: Mapping[int, FirstUsers] = field(default_factory=dict)
    """By index of the IP."""

    @cached_property
    def new_rows(self) -> NDArray[np.intp]:
        """Rows of pairs of moves that are reported in this bucket for the first time."""
        earlier = set(self.repeat_of.values())
        return np.array([row for row, first in self.by_entity.items() if first not in earlier], dtype=np.intp)

    def with_leads(self, written: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which IPs get an influencer's document (bool[n_ips]), those included that report a move first.

        The records of the move name it, and raise no alarm themselves.
        """
        result = written.copy()
        result[[*(ip for ip in self.leads if ip not in self.repeat_of), *self.first_users]] = True
        return result

    def reported_by(self, ips: NDArray[np.bool_]) -> MovedPairs:
        """Return it with those leads only whose influencers are written for their successes, bool[n_ips]."""
        return replace(self, leads={ip: move for ip, move in self.leads.items() if ips[ip]})

    def known_without(self, known: KnownFindings, pairs: ScoredPairs) -> KnownFindings:
        """Return the known findings that pairs and addresses outside of the moves may repeat."""
        if not self.leads:
            return known
        ips = set(pairs.ip[np.concatenate([move.rows for move in self.leads.values()])].tolist())
        return KnownFindings(
            {row: first for row, first in known.pairs.items() if row not in self.by_entity},
            {(ip, failed): first for (ip, failed), first in known.ips.items() if failed or ip not in ips},
        )

    def with_first_users(self, part: Participation) -> MovedPairs:
        """Return it with the pairs of first users that repeat nothing, at an address that repeats nothing either.

        ``part`` is what takes part in the bucket. An account that is new at an address that was reported before is a
        finding of its own.
        """
        new = {ip: each for ip, each in self.first_users.items() if part.ips[0][ip] and part.by_ip[each.rows].all()}
        found = dict(self.by_entity)
        for each in new.values():
            found |= dict.fromkeys(each.rows[part.by_entity[each.rows]].tolist(), each.influencer)
        return replace(self, by_entity=found, first_users=new)

    def part_without(self, part: Participation) -> Participation:
        """Return what takes part in the bucket beside the moves."""
        if not self.by_entity and not self.leads:
            return part
        by_entity, by_ip, ips = part.by_entity.copy(), part.by_ip.copy(), part.ips[0].copy()
        by_entity[list(self.by_entity)] = False
        by_ip[self.by_ip] = False
        ips[list(self.repeat_of)] = False
        return Participation(by_entity, by_ip, (ips, part.ips[1]))


def decided(
    groups: Groups,
    pairs: ScoredPairs,
    scores: ViewScores,
    known: Mapping[str, ReportedMove],
    influencer_id: Callable[[int], str],
) -> MovedPairs:
    """Decide how groups are reported; ``scores`` are those of the bucket's successes with all groups included.

    ``influencer_id`` returns the id of the influencer of an IP (its index) in this bucket.
    """

    def milder(rows: NDArray[np.intp], reported: float) -> NDArray[np.intp]:
        """Return the rows whose pair and whose entity are at most as severe as what is reported."""
        most = np.maximum(scores.records.score[rows], scores.entities.score[pairs.entity[rows]])
        return rows[severity_levels(most) <= severity_levels(reported)]

    leads: dict[int, Move] = {}
    by_entity: dict[int, str] = {}
    repeat_of: dict[int, str] = {}
    others = [np.zeros(0, dtype=np.intp)]
    for move in groups.moves:
        ips = np.unique(pairs.ip[move.rows])
        lead = int(ips[np.argmax(scores.ips.score[ips])])
        score, earlier = float(scores.ips.score[lead]), known.get(move.network)
        if score <= 0.0 and earlier is None:
            continue
        leads[lead] = move
        if earlier is not None and severity_levels(score) <= severity_levels(earlier.score):
            repeat_of[lead] = earlier.id
        reported = earlier.score if lead in repeat_of and earlier is not None else score
        first = repeat_of.get(lead) or influencer_id(lead)
        by_entity |= dict.fromkeys(milder(move.rows, reported).tolist(), first)
        others.append(move.rows[pairs.ip[move.rows] != lead])
    first_users = {
        ip: FirstUsers(influencer_id(ip), milder(rows, float(scores.ips.score[ip])))
        for ip, rows in groups.first_users.items()
        if scores.ips.score[ip] >= CRITICAL  # a later bucket recognizes these only
    }
    return MovedPairs(leads, by_entity, np.concatenate(others), repeat_of, first_users)
