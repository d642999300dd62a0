"""The details of a job's state: its optional values.

In the state's document they are one object, ``details``, in which a value that there isn't has no key. Keys of a newer
version are kept and written back unchanged. So the details need no format of their own: a further key is no change of
the format, and a version that changes the meaning of a key raises the format of the whole document
(:data:`ipi_es.state.job_state.FORMAT`), which earlier versions then refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.state.fields import LATEST, Fields

LONGEST_TEXT = 300
"""Characters of an error that are kept: the log has the rest."""


@dataclass(frozen=True, slots=True)
class LastError:
    """An error in a short form, to be stored and shown."""

    at: int
    """Epoch seconds."""
    kind: str
    """The error's class."""
    text: str
    other: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keys of a newer version."""

    @classmethod
    def of(cls, now: int, error: BaseException) -> LastError:
        """Return the short form of an error: its class and its message, without the hint."""
        message = str(getattr(error, "message", error)) or type(error).__name__
        return cls(now, type(error).__name__, " ".join(message.split())[:LONGEST_TEXT])

    @classmethod
    def from_mapping(cls, fields: Fields) -> LastError | None:
        """Read a stored error; None if it has no keys. Raises the error of ``fields`` for an impossible value."""
        if not fields.names:
            return None
        return cls(
            at=_time(fields, "at"),
            kind=fields.text("kind"),
            text=fields.text("text"),
            other=fields.without({"at", "kind", "text"}),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"at": self.at, "kind": self.kind, "text": self.text, **self.other}


@dataclass(frozen=True, slots=True)
class SavedRereadBudget:
    """How many events may be read again, as :class:`ipi_es.worker.late.event_changes.RereadBudget` left it."""

    counted_to: int
    """Buckets that begin before this time, in epoch seconds, are included."""
    swept_to: int
    """Start of the last bucket that was read again because it was about to leave the window, epoch seconds; -1: none
    was."""
    left: float
    """Events; negative if the last bucket had more than were left."""
    other: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keys of a newer version."""

    @classmethod
    def from_mapping(cls, fields: Fields) -> SavedRereadBudget | None:
        """Read a stored budget; None if it has no keys. Raises the error of ``fields`` for an impossible value."""
        if not fields.names:
            return None
        return cls(
            counted_to=_time(fields, "counted_to"),
            swept_to=int(fields.real("swept_to")),
            left=fields.real("left"),
            other=fields.without({"counted_to", "swept_to", "left"}),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"counted_to": self.counted_to, "swept_to": self.swept_to, "left": self.left, **self.other}


@dataclass(frozen=True, slots=True)
class IncidentsState:
    """How far the stored incidents agree with the stored results. Times in epoch seconds."""

    gap: int
    """The job's ``incident_gap`` that they were made with, in seconds."""
    method: int
    """:data:`ipi_es.results.reading.incident_grouping.METHOD` that they were made with."""
    begin: int = 0
    """Results of buckets before this time were deleted as too old, and are part of no incident."""
    due_from: int = 0
    due_to: int = 0
    """Results of buckets that begin in [due_from, due_to) may have changed since incidents were made of them."""
    other: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keys of a newer version."""

    @classmethod
    def from_mapping(cls, fields: Fields) -> IncidentsState | None:
        """Read a stored one; None if it has no keys. Raises the error of ``fields`` for an impossible value."""
        if not fields.names:
            return None
        return cls(
            gap=fields.number("gap", 1, LATEST),
            method=fields.number("method", 0, LATEST),
            begin=_time(fields, "begin"),
            due_from=_time(fields, "due_from"),
            due_to=_time(fields, "due_to"),
            other=fields.without({"gap", "method", "begin", "due_from", "due_to"}),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as it is stored."""
        times = {"begin": self.begin, "due_from": self.due_from, "due_to": self.due_to}
        return {"gap": self.gap, "method": self.method, **times, **self.other}


@dataclass(frozen=True, slots=True)
class JobDetails:
    """The optional values of a job's state. Times in epoch seconds; ``None`` where there is none yet."""

    made_with: Mapping[str, Any] | None = None
    """The settings that the job's snapshot and history were made with, or that were accepted since."""
    scored_from: int | None = None
    """Start of the range of results without gaps."""
    reverted_from: int | None = None
    """The checkpoint of the job before it went back to an earlier snapshot. The next training is due `training.every`
    after that: a training before then would undo the revert."""
    largest: Mapping[str, float] | None = None
    """The largest raw score of each level at the last renormalization."""
    not_renormalized: tuple[str, ...] = ()
    """Indices of results that the last renormalization could not write to."""
    late_rows: str | None = None
    """The blob of the rows that came too late for the delta of their own day."""
    reread: SavedRereadBudget | None = None
    """The budget for reading buckets again."""
    late_checked_at: int | None = None
    """When changes older than the late window were last looked for."""
    missing_results: str | None = None
    """The missing results, in words."""
    cleaned_at: int | None = None
    """When the last cleanup ended."""
    last_worker: str | None = None
    """The owner of the last lease in which work was done."""
    last_error: LastError | None = None
    """The last failure. Kept here so that `ipi-es status` needs no request to the worker."""
    waits_for: str | None = None
    """The reason why a new job waits, in words."""
    rules_applied: str | None = None
    """Digest of the rules of documents that the stored results agree with."""
    verdicts_marked: str | None = None
    """The verdicts that are marked on results: “sequence number of the next:digest of those before”; None: none is."""
    incidents: IncidentsState | None = None
    """None: no incident was made yet."""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a newer version."""

    @classmethod
    def from_mapping(cls, fields: Fields) -> JobDetails:
        """Read stored details. Raises the error of ``fields`` where a known key has an impossible value."""
        return cls(
            made_with=fields.mapping_or_none("made_with"),
            scored_from=_time_if_there(fields, "scored_from"),
            reverted_from=_time_if_there(fields, "reverted_from"),
            largest=_numbers(fields, "largest"),
            not_renormalized=tuple(fields.texts("not_renormalized")),
            late_rows=fields.text_or_none("late_rows"),
            reread=SavedRereadBudget.from_mapping(fields.inside("reread")),
            late_checked_at=_time_if_there(fields, "too_late_looked_at"),
            missing_results=fields.text_or_none("missing_results"),
            cleaned_at=_time_if_there(fields, "cleaned_at"),
            last_worker=fields.text_or_none("worker"),
            last_error=LastError.from_mapping(fields.inside("last_error")),
            waits_for=fields.text_or_none("waits_for"),
            rules_applied=fields.text_or_none("rules_applied"),
            verdicts_marked=fields.text_or_none("verdicts_marked"),
            incidents=IncidentsState.from_mapping(fields.inside("incidents")),
            other=fields.without(_known(cls())),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return the details as they are stored."""
        return {name: value for name, value in _known(self).items() if value is not None} | dict(self.other)

    def restarted(self) -> JobDetails:
        """Return the details of a job that starts again or goes back to a snapshot: it then reads all events again."""
        return replace(self, largest=None, late_rows=None, reread=None)


def _known(details: JobDetails) -> dict[str, Any]:
    """Return all keys of this version with the values to be stored; None: the key is left out."""
    return {
        "made_with": details.made_with,
        "scored_from": details.scored_from,
        "reverted_from": details.reverted_from,
        "largest": details.largest,
        "not_renormalized": list(details.not_renormalized) or None,
        "late_rows": details.late_rows,
        "reread": None if details.reread is None else details.reread.to_mapping(),
        "too_late_looked_at": details.late_checked_at,
        "missing_results": details.missing_results,
        "cleaned_at": details.cleaned_at,
        "worker": details.last_worker,
        "last_error": None if details.last_error is None else details.last_error.to_mapping(),
        "waits_for": details.waits_for,
        "rules_applied": details.rules_applied,
        "verdicts_marked": details.verdicts_marked,
        "incidents": None if details.incidents is None else details.incidents.to_mapping(),
    }


def _time(fields: Fields, name: str) -> int:
    return fields.number(name, 0, LATEST)


def _time_if_there(fields: Fields, name: str) -> int | None:
    """Read a time; None if it has no key. A null is an impossible value."""
    return _time(fields, name) if name in fields.names else None


def _numbers(fields: Fields, name: str) -> Mapping[str, float] | None:
    """Read an object of numbers with any names; None where it is absent."""
    inside = fields.inside(name)
    return None if fields.mapping_or_none(name) is None else {each: inside.real(each) for each in inside.names}
