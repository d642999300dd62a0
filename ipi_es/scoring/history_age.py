"""The age of a job's history: until it is old enough, the job is young, and says so."""

from __future__ import annotations

from typing import Final

YOUNG_DAYS: Final = 14
"""Days of history below which a job is young: from then on it has seen each day of the week twice."""
