"""Foreign index templates that apply to the indices of ipi-es: setup shows them, `check` and the worker refuse."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.cluster.port import Cluster
from ipi_es.cluster.template_conflict import TemplateConflict, find_conflict
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.results.index_mapping import index_for, month_end
from ipi_es.results.words import TEMPLATE
from ipi_es.setup.setup_change import SetupChange
from ipi_es.state.calendar_store import CALENDARS_INDEX, CALENDARS_TEMPLATE
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, SNAPSHOT_TEMPLATE
from ipi_es.state.job_state import STATE_INDEX, STATE_TEMPLATE
from ipi_es.state.rule_store import RULES_INDEX, RULES_TEMPLATE
from ipi_es.state.verdict_store import VERDICTS_INDEX, VERDICTS_TEMPLATE

ANY_TIME = 1_767_225_600
"""2026-01-01, epoch seconds: the month whose index is checked if no time is given."""


def found(
    cluster: Cluster, jobs: Sequence[Job] | None = None, *, now: int | None = None, priority: int | None = None
) -> list[TemplateConflict]:
    """Return each foreign template that applies to an index of ours, once, with one index as the example.

    Checks the indices of the state, the snapshots, the rules, the calendars and the verdicts, and the result indices of
    the ``jobs`` (None: the shared ones) in this month and the next (``now`` in epoch seconds). Other months are checked
    at the first write. Raises PermissionDenied where templates may not be read.
    """
    names = {None} if jobs is None else {job.results_index_name for job in jobs}
    moments = [ANY_TIME] if now is None else [now, month_end(now)]
    asked = [(index_for(time, name), TEMPLATE) for name in sorted(names, key=str) for time in moments]
    asked += [(SNAPSHOT_INDEX, SNAPSHOT_TEMPLATE), (STATE_INDEX, STATE_TEMPLATE)]
    asked += [(RULES_INDEX, RULES_TEMPLATE), (VERDICTS_INDEX, VERDICTS_TEMPLATE)]
    asked += [(CALENDARS_INDEX, CALENDARS_TEMPLATE)]
    known: dict[tuple[str, str], TemplateConflict] = {}
    templates = cluster.admin.index_templates()
    for index, ours in asked:
        one = find_conflict(cluster, index, ours, templates=templates, priority=priority)
        if one is not None:
            known.setdefault((one.other, ours), one)
    return list(known.values())


def changes(cluster: Cluster, jobs: Sequence[Job] | None, priority: int | None = None) -> list[SetupChange]:
    """Return the conflicts as changes that setup can't make: the other template was put there on purpose."""
    try:
        there = found(cluster, jobs, priority=priority)
    except PermissionDenied:
        return []  # our own templates can be read: this server has separate rights for one template and for all
    return [SetupChange("cannot", "index template", each.ours, f"! {each.text}\n! {each.hint}") for each in there]


def require_none(cluster: Cluster, jobs: Sequence[Job]) -> None:
    """Raise UsageError where a missing index of ipi-es would be created from another template."""
    try:
        there = found(cluster, jobs)
    except PermissionDenied:
        return  # the result indices are checked once they are created
    for each in there:
        if not cluster.get_mapping(each.index):
            raise each.error()
