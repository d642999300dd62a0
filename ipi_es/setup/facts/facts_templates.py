"""Facts for `check` about index templates, result indices and the lifecycle policy; only read, never written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ipi_es.cluster.port import Cluster
from ipi_es.cluster.template_conflict import TemplateConflict
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.results.words import ALIAS, SHARED
from ipi_es.setup import lifecycle_policy, setup_plan, template_conflicts
from ipi_es.setup.setup_change import SetupChange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """Missing templates, and the titles of all changes that setup would make."""

    missing: tuple[str, ...]
    changes: tuple[str, ...]
    too_short: str | None = None
    """Why the lifecycle policy deletes the job's results too soon; None: it doesn't, as far as is known."""
    stuck: str | None = None
    """Why the server can't carry out the policy; None: it can, as far as is known."""
    takeovers: tuple[TemplateConflict, ...] = ()
    """Foreign index templates that apply to an index of the job."""
    lost: tuple[str, ...] = ()
    """Existing result indices that searches don't find or fail on, with setup's explanation."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Result indices of the job that may not be written to, with the setting that blocks writing."""


def template_facts(cluster: Cluster, job: Job, now: int) -> TemplateFacts:
    """Find what setup would change and what it can't repair. ``now`` is epoch seconds.

    Raises UsageError where the cluster's templates are newer than ours.
    """
    changes, missing = setup_plan.plan(cluster), setup_plan.missing_templates(cluster)
    return TemplateFacts(
        tuple(missing),
        tuple(change.title for change in changes),
        lifecycle_policy.too_short(cluster, job),
        lifecycle_policy.stuck(cluster),
        takeovers=tuple(_allowed(lambda: template_conflicts.found(cluster, [job], now=now), [])),
        lost=tuple(f"{change.name}: {_said(change.diff)}" for change in changes if _is_lost(change)),
        blocked=_allowed(lambda: cluster.admin.write_blocks(f"{ALIAS}-{job.results_index_name or SHARED}-*"), {}),
    )


def _is_lost(change: SetupChange) -> bool:
    """Return whether a change concerns an index whose documents searches don't find, or find wrongly."""
    return change.kind == "alias to index" or (change.kind == "mapping of index" and change.action == "cannot")


def _said(diff: str) -> str:
    return ", ".join(line.lstrip("+-! ") for line in diff.splitlines()[:1])


def _allowed(act: Callable[[], T], otherwise: T) -> T:
    """Return the result of ``act``, or ``otherwise`` where the credentials don't allow it."""
    try:
        return act()
    except PermissionDenied:
        return otherwise
