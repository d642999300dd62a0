"""Results as lines of a list: when, how unusual, who from where, why, and what is to be known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Document
from ipi_es.config.job_config import Job
from ipi_es.pages.text import score_text, severity_name
from ipi_es.results.documents.explanation import sentence
from ipi_es.results.documents.visible import visible
from ipi_es.results.words import SCHEDULED_EVENTS, SCORE_FIELDS, VERDICT
from ipi_es.serve.explorer.links import Links, span
from ipi_es.times import from_ms

REMARKS = {"is_interim": "interim", "repeat_of": "repeat", "suppressed_by": "allowed", SCHEDULED_EVENTS: "scheduled"}
"""Field of a result that raises no alarm → the word for it."""

AROUND = 43_200
"""Seconds before and after a result that the page of its entity shows: half a day."""


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """A record or an influencer, as text."""

    time: int
    severity: str
    score: str
    initial: str | None
    """The score when it was written, where the present one differs."""
    entity: str | None
    entity_href: str | None
    ip: str | None
    ip_href: str | None
    why: str
    remarks: tuple[str, ...]

    @property
    def is_quiet(self) -> bool:
        """Whether it raises no alarm."""
        return bool(self.remarks)


def entries_of(results: Iterable[Document], job: Job, links: Links) -> list[ResultEntry]:
    """Return the entries of records and influencers, in the given order."""
    return [
        _entry(each.source, job, links) for each in results if each.source["result_type"] in ("record", "influencer")
    ]


def _entry(source: Mapping[str, Any], job: Job, links: Links) -> ResultEntry:
    time, is_record = from_ms(source["timestamp"]), source["result_type"] == "record"
    field = SCORE_FIELDS["record" if is_record else "influencer"]
    score, initial = float(source[field]), float(source[f"initial_{field}"])
    entity = source.get("partition_field_value")
    ip = source.get("by_field_value") if is_record else None
    if not is_record and entity is None:
        ip = source["influencer_field_value"]
    at = span(max(time - AROUND, 0), time + AROUND)
    marks = [word for name, word in REMARKS.items() if source.get(name)]
    return ResultEntry(
        time=time,
        severity=severity_name(score),
        score=score_text(score),
        initial=None if int(score) == int(initial) else f"{score_text(initial)} {severity_name(initial)}",
        entity=None if entity is None else str(entity),
        entity_href=None if entity is None else links.entity(job.job_id, str(entity), **at),
        ip=None if ip is None else str(ip),
        ip_href=None if ip is None else links.address(job.job_id, str(ip), **at),
        why=visible(sentence(source) if is_record else source.get("reason") or ""),
        remarks=(*marks, *([str(source[VERDICT])] if source.get(VERDICT) else ())),
    )
