"""Stored rules that name an entity: alone, among others by a pattern, or in what people wrote beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Document
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import WILDCARDS
from ipi_es.results.documents.mentions import says

TEXTS = ("name", "reason", "author", "ended_by")
"""What people wrote in a rule."""


@dataclass(frozen=True, slots=True)
class RulesNaming:
    """The documents of rules that name an entity, each in one of the lists."""

    alone: list[Document]
    """Their only entity is this one, in jobs that are asked for: they can be deleted."""
    elsewhere: list[Document]
    """The same, but they act in other jobs too."""
    by_pattern: list[Document]
    in_text: list[Document]

    @property
    def names(self) -> frozenset[str]:
        """Names of the rules that can be deleted: results have them as ``suppressed_by``."""
        return frozenset(str(each.source.get("name")) for each in self.alone)


def rules_naming(documents: Sequence[Document], asked: Sequence[tuple[Job, str]], *, everywhere: bool) -> RulesNaming:
    """Sort rules by how they name an entity, which ``asked`` has as each job spells it.

    ``everywhere``: the jobs are all that there are.
    """
    found = RulesNaming([], [], [], [])
    known = {job.job_id for job, _ in asked}
    for each in documents:
        jobs = each.source.get("jobs") or ()
        acting = [(job, name) for job, name in asked if not jobs or job.job_id in jobs]
        pattern = each.source.get("entity")
        if isinstance(pattern, str) and any(_is_name(pattern, job, name) for job, name in acting):
            only_here = known >= set(jobs) if jobs else everywhere
            (found.alone if only_here else found.elsewhere).append(each)
        elif isinstance(pattern, str) and any(job.matches_entity(pattern, name) for job, name in acting):
            found.by_pattern.append(each)
        elif any(texts_naming(each.source, job.spellings(name), TEXTS) for job, name in asked):
            found.in_text.append(each)
    return found


def texts_naming(source: Mapping[str, Any], names: Collection[str], fields: Sequence[str]) -> list[str]:
    """Return those of the fields, which people wrote, that say one of the names."""
    return [field for field in fields if any(says(source.get(field), name) for name in names)]


def _is_name(pattern: str, job: Job, name: str) -> bool:
    wild = any(each in pattern for each in WILDCARDS)
    return not wild and job.stored_entity(pattern) == name
