"""A job's file in the making, with notes on the choices."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from ipi_es.config.files.loading import check_job
from ipi_es.config.files.yaml_documents import write_yaml
from ipi_es.config.job_config import Job

WIDTH = 108
"""Characters of a comment's line."""


MOST_WINDOW = 500
"""Days of events to learn from that are suggested at most."""


@dataclass(slots=True)
class Draft:
    """A job's file as plain data; ``notes`` say in figures why it is so, and head the file as comments."""

    data: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    _chosen: list[dict[str, Any]] = field(default_factory=list)
    _left_out: list[dict[str, Any]] = field(default_factory=list)

    @property
    def feed(self) -> dict[str, Any]:
        """The section ``datafeed_config``."""
        found: dict[str, Any] = self.data["datafeed_config"]
        return found

    @property
    def job(self) -> Job:
        """The job as it is now."""
        return check_job(self.data)

    def text(self, origin: str) -> str:
        """Return the job's file: where it comes from, the notes, the settings."""
        lines = [line for note in self.notes for line in wrap(f"- {note}", WIDTH, subsequent_indent="  ")]
        return write_yaml(self.data, comments=[origin, *lines])

    def leave_out(self, name: str, words: list[str]) -> None:
        """Let the query leave out the events with these words in a field."""
        given, without = self.feed["query"], [*self._left_out, {"terms": {name: words}}]
        if not self._left_out:
            self._chosen = [] if set(given) == {"match_all"} else [given]
        self._left_out = without
        self.feed["query"] = {"bool": {**({"filter": self._chosen} if self._chosen else {}), "must_not": without}}
