"""A suggested job, or why a place of events gives none."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.setup.facts.facts_events import EventFacts
from ipi_es.setup.line_parsing import LineFormat

LONGEST_NAME = 64
"""Characters of a job_id."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A job that could be made, and what is known of its events."""

    pattern: str
    title: str
    job: Job
    text: str
    """The job's file."""
    facts: EventFacts
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A place of events that no job can be made for, and why."""

    pattern: str
    why: str


@dataclass(frozen=True, slots=True)
class RawLines(Unusable):
    """A place of log lines of a known form that nobody has parsed yet."""

    format: LineFormat


class JobNames:
    """Gives each suggested job a name of its own, made of its place and its source."""

    def __init__(self) -> None:
        self._taken = set[str]()

    def take(self, pattern: str, source: str = "") -> str:
        """Return a job_id that wasn't returned before: letters, digits and hyphens."""
        place = _plain(pattern)
        end = "" if source in place else f"-{source}"
        name, number = f"{place[: LONGEST_NAME - len(end)].rstrip('-')}{end}", 1
        while name in self._taken:
            number += 1
            tail = f"{end}-{number}"
            name = f"{place[: LONGEST_NAME - len(tail)].rstrip('-')}{tail}"
        self._taken.add(name)
        return name


def _plain(text: str) -> str:
    spaced = "".join(one if one.isascii() and one.isalnum() else " " for one in text.lower())
    return "-".join(spaced.split()) or "sign-ins"
