"""Index templates of somebody else that take the indices of ipi-es: setup shows them, check and worker refuse."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.cluster.port import Cluster
from ipi_es.cluster.template_conflict import TemplateConflict, find_conflict
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.results.index_mapping import index_for, month_end
from ipi_es.results.words import TEMPLATE
from ipi_es.setup.setup_change import SetupChange
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, SNAPSHOT_TEMPLATE
from ipi_es.state.job_state import STATE_INDEX, STATE_TEMPLATE

ANY_TIME = 1_767_225_600
"""2026-01-01, epoch seconds: a month whose index is asked for where no other is named."""


def found(
    cluster: Cluster, jobs: Sequence[Job] | None = None, *, now: int | None = None, priority: int | None = None
) -> list[TemplateConflict]:
    """Each template that takes an index of ours, once, with one index as the example.

    Asked for the state's and the snapshots' index, and for result indices of the ``jobs`` (None: of the shared ones)
    in this month and the next (``now`` in epoch seconds). Which other months come is seen at the first write to each.
    PermissionDenied where templates may not be read.
    """
    names = {None} if jobs is None else {job.results_index_name for job in jobs}
    moments = [ANY_TIME] if now is None else [now, month_end(now)]
    asked = [(index_for(time, name), TEMPLATE) for name in sorted(names, key=str) for time in moments]
    asked += [(SNAPSHOT_INDEX, SNAPSHOT_TEMPLATE), (STATE_INDEX, STATE_TEMPLATE)]
    known: dict[tuple[str, str], TemplateConflict] = {}
    templates = cluster.admin.index_templates()
    for index, ours in asked:
        one = find_conflict(cluster, index, ours, templates=templates, priority=priority)
        if one is not None:
            known.setdefault((one.other, ours), one)
    return list(known.values())


def changes(cluster: Cluster, jobs: Sequence[Job] | None, priority: int | None = None) -> list[SetupChange]:
    """What setup says of them: nothing that it mends by itself, since another template was put there on purpose."""
    try:
        there = found(cluster, jobs, priority=priority)
    except PermissionDenied:
        return []  # our own templates can be read, so this is a server that tells one from all
    return [SetupChange("cannot", "index template", each.ours, f"! {each.text}\n! {each.hint}") for each in there]


def require_none(cluster: Cluster, jobs: Sequence[Job]) -> None:
    """UsageError where an index of ipi-es that isn't there yet would be made from another template."""
    try:
        there = found(cluster, jobs)
    except PermissionDenied:
        return  # the result indices are looked at once they are made
    for each in there:
        if not cluster.get_mapping(each.index):
            raise each.error()
