"""One verdict of a person or a tool on a finding: whether the account's owner was at work, or an attacker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

VerdictWord: TypeAlias = Literal["compromised", "safe", "dismissed"]

COMPROMISED: VerdictWord = "compromised"
SAFE: VerdictWord = "safe"
DISMISSED: VerdictWord = "dismissed"

VERDICTS: tuple[VerdictWord, ...] = (COMPROMISED, SAFE, DISMISSED)
"""The strongest first: of several verdicts on the same results the strongest counts, whatever their order."""

CLOSING: tuple[VerdictWord, ...] = (SAFE, DISMISSED)
"""Verdicts that close a finding: alerts, reports and consoles leave it out."""

REACH = 30 * 86_400
"""Seconds before a verdict from which on it applies, if it names no other time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict on what an entity did from the network (/24 or /48) of an address; times in epoch seconds."""

    verdict: VerdictWord
    entity: str
    ip: str
    by: str
    time: int
    """When it was given."""
    since: int
    """The first time that it applies to: it is about event buckets that start in [since, time]."""
    comment: str = ""
    result: str | None = None
    """Id of the result that it was given on; None: it was given on the pair."""
    operator: int | None = None
    """AS number of the address's operator, if other accounts should count as endangered from there too."""
    revoked: int | None = None
    revoked_by: str | None = None
    id: str = ""
    """Id of its document; empty: not stored yet."""
    seq_no: int = field(default=-1, compare=False)
    """Sequence number of its document: it grows with every change of the index; -1: an earlier version wrote it."""

    @property
    def in_force(self) -> bool:
        """Whether it wasn't revoked."""
        return self.revoked is None
