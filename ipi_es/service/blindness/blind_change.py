"""A change in whether a job sees its events: state, reason and figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BlindState(StrEnum):
    """State of a job over a stretch of time; the values are those of the annotation's field."""

    BLIND = "blind"
    """No events come."""
    HALF_BLIND = "half_blind"
    """Most events, or all usable ones, are missing."""
    ENDED = "ended"
    """The job was blind or half blind, and is neither any more."""


BLIND_STATES = (BlindState.BLIND, BlindState.HALF_BLIND)
"""States in which events are missing."""


class BlindReason(StrEnum):
    """Why a job is blind or half blind; the values are those of the annotation's field."""

    NO_EVENTS = "no_events"
    FEW_EVENTS = "few_events"
    ENTITY_MISSING = "entity_missing"
    ADDRESS_MISSING = "address_missing"
    ADDRESS_MALFORMED = "address_malformed"
    OUTCOME_MISSING = "outcome_missing"


@dataclass(frozen=True, slots=True)
class BlindChange:
    """A job became blind or half blind, or is neither again. Numbers are those of [start, end) when it was detected.

    ``seen`` and ``usual`` count the kind of events that is missing: all events, or usable ones (of the outcome
    ``outcome``; None: of any scored outcome). ``share`` and ``usual_share`` are the shares of the events that lack what
    ``reason`` names, 0–1. In a change to ``ENDED``, ``reason`` is the one that it began with; ``accepted``: the new
    state counts as usual from now on.
    """

    state: BlindState
    reason: BlindReason
    start: int  # epoch seconds
    end: int
    events: int = 0
    seen: int = 0
    usual: int = 0
    share: float = 0.0
    usual_share: float = 0.0
    outcome: str | None = None
    accepted: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the job is blind or half blind after this change."""
        return self.state is not BlindState.ENDED
