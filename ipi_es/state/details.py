"""Keys of a state's ``details``, and the check of their values; other keys may hold any value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ipi_es.state.fields import LATEST, Fields

MADE_WITH = "made_with"
"""The settings that the job's snapshot and history were made with, or that were accepted since."""
SCORED_FROM = "scored_from"
"""Start of the range of results without gaps, epoch seconds."""
REVERTED_FROM = "reverted_from"
"""The checkpoint of the job before it went back to an earlier snapshot, epoch seconds. The next training is due
`training.every` after that: a training before then would undo the revert."""
LARGEST = "largest"
"""The largest raw score of each level at the last renormalization."""
NOT_RENORMALIZED = "not_renormalized"
"""Indices of results that the last renormalization could not write to."""
LATE_ROWS = "late_rows"
"""The blob of the rows that came too late for the delta of their own day."""
REREAD = "reread"
"""The budget for reading buckets again."""
LATE_CHECKED_AT = "too_late_looked_at"
"""When changes older than the late window were last looked for, epoch seconds."""
MISSING_RESULTS = "missing_results"
"""The missing results, in words."""
CLEANED_AT = "cleaned_at"
"""When the last cleanup ended, epoch seconds."""
LAST_WORKER = "worker"
"""The owner of the last lease in which work was done."""
LAST_ERROR = "last_error"
"""The last failure: ``at``, ``kind`` and ``text``. Kept here so that `ipi-es status` needs no request to the worker."""
WAITS_FOR = "waits_for"
"""The reason why a new job waits, in words."""

FORGOTTEN_ON_RESTART = frozenset({LARGEST, LATE_ROWS, REREAD})
"""Keys that are removed where a job starts again or goes back to a snapshot: it then reads all events again."""

Check: TypeAlias = Callable[[Fields, str], object]
"""Takes the fields of an object and the name of one of them; raises where its value is impossible."""


def _time(fields: Fields, name: str) -> None:
    fields.number(name, 0, LATEST)


def _numbers(fields: Fields, name: str) -> None:
    """Check an object of numbers with any names."""
    inside = fields.inside(name)
    for each in inside.names:
        inside.real(each)


def _object(parts: Mapping[str, Check]) -> Check:
    """Make the check of an object with these fields; an empty object, or none, passes too."""

    def check(fields: Fields, name: str) -> None:
        inside = fields.inside(name)
        for part, check_part in parts.items() if inside.names else ():
            check_part(inside, part)

    return check


DETAILS: Mapping[str, Check] = {
    CLEANED_AT: _time,
    LATE_CHECKED_AT: _time,
    REVERTED_FROM: _time,
    SCORED_FROM: _time,
    LAST_WORKER: Fields.text_or_none,
    WAITS_FOR: Fields.text_or_none,
    LATE_ROWS: Fields.text_or_none,
    MISSING_RESULTS: Fields.text_or_none,
    NOT_RENORMALIZED: Fields.texts,
    MADE_WITH: Fields.mapping,
    LARGEST: _numbers,
    LAST_ERROR: _object({"at": _time, "kind": Fields.text, "text": Fields.text}),
    REREAD: _object({"counted_to": _time, "swept_to": Fields.real, "left": Fields.real}),
}


def check_details(details: Mapping[str, Any], fields: Fields) -> None:
    """Raise the error of ``fields``, those of ``details``, where a known key has an impossible value."""
    for name in details.keys() & DETAILS.keys():
        DETAILS[name](fields, name)
