"""Judge whether the indices of ipi-es are created correctly and may be written to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ipi_es.config.job_config import Job
from ipi_es.errors import ClusterReadOnly, IpiEsError, NotFound, PermissionDenied, UsageError
from ipi_es.results.index_mapping import index_for
from ipi_es.setup.checks.check_finding import Finding, ok, problem, warning
from ipi_es.setup.facts.facts_templates import TemplateFacts
from ipi_es.setup.facts.optional_read import Looked

CHECK = "templates"
BLOCKED_HINT = 'let writing happen again: PUT {index}/_settings {{"index.blocks.write": null}}'
"""Hint for the index of the current month, which is being written to."""


def judge_templates(job: Job, facts: Looked[TemplateFacts], now: int) -> list[Finding]:
    """Judge the templates: one line if all is well, a problem where results would be lost. ``now`` is epoch seconds."""
    if facts is None:
        return []
    if isinstance(facts, PermissionDenied):
        text = "can't be looked at: the user may not read index templates"
        return [warning(CHECK, text, "an administrator should run `ipi-es setup --dry-run`: it shows what is missing")]
    if isinstance(facts, IpiEsError):
        return [problem(CHECK, facts)]
    blocked = _blocked(job, facts.blocked, now)
    found = [problem(CHECK, each.error()) for each in facts.takeovers]
    if facts.missing:
        error = NotFound(f"missing: {', '.join(facts.missing)}", hint="run `ipi-es setup` once")
        return [problem(CHECK, error), *found, *blocked]
    if facts.lost:
        hint = "`ipi-es setup` adds a missing alias; `ipi-es setup --dry-run` says what to do with the others"
        found.append(problem(CHECK, UsageError(f"results can't be found: {'; '.join(facts.lost)}", hint=hint)))
    if facts.changes and not found:
        hint = "`ipi-es setup --dry-run` shows what differs and how to fix it"
        found = [warning(CHECK, f"not as this ipi-es ships them: {', '.join(facts.changes)}", hint)]
    return [*(found or [ok(CHECK, "as this ipi-es ships them")]), *blocked]


def _blocked(job: Job, blocked: Mapping[str, str], now: int) -> list[Finding]:
    """Judge write blocks: a problem for the current month, a warning for months whose scores may still change."""
    check = "write blocks"
    current = index_for(now, job.results_index_name)
    found = []
    if current in blocked:
        text = f"{current} may not be written to ({blocked[current]})"
        found.append(problem(check, ClusterReadOnly(text, hint=BLOCKED_HINT.format(index=current))))
    since = index_for(now - max(job.renormalization_window(), job.late_window_seconds()), job.results_index_name)
    older = [index for index in sorted(blocked) if since <= index < current]
    if older:
        settings = ", ".join(sorted({blocked[index] for index in older}))
        text = f"{', '.join(older)} may not be written to ({settings}): scores and late events change nothing there"
        hint = (
            "nothing to do if that is meant; else let the lifecycle policy make indices read-only "
            f"{-(-job.renormalization_window() // 86_400)} days after their month's end (renormalization_window_days)"
        )
        found.append(warning(check, text, hint))
    return found
