"""What is said of a job that doesn't see its events any more: state, reason, figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BlindState(StrEnum):
    """What is said of a stretch of a job's time; the values are those of the annotation's field."""

    BLIND = "blind"
    """No events come."""
    HALF_BLIND = "half_blind"
    """Most events, or all usable ones, are missing."""
    ENDED = "ended"
    """It was one of both, and is over."""


BLIND_STATES = (BlindState.BLIND, BlindState.HALF_BLIND)
"""Those in which something is missing."""


class BlindReason(StrEnum):
    """Why; the values are those of the annotation's field."""

    NO_EVENTS = "no_events"
    FEW_EVENTS = "few_events"
    ENTITY_MISSING = "entity_missing"
    ADDRESS_MISSING = "address_missing"
    ADDRESS_MALFORMED = "address_malformed"
    OUTCOME_MISSING = "outcome_missing"


@dataclass(frozen=True, slots=True)
class BlindChange:
    """A job became blind or half blind, or is neither again. Numbers are of [start, end) when it was found.

    ``seen`` and ``usual`` count what is missing: events, or usable ones (``outcome`` names theirs, None: of any scored
    outcome). ``share`` and ``usual_share`` are the share of the events that lack what ``reason`` names, 0–1. At the end
    ``reason`` is why it was; ``accepted``: it is taken as usual from now on.
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
        """Whether the job is blind, or half blind, with this change."""
        return self.state is not BlindState.ENDED
