"""What `check` judges, gathered from the cluster: reads only, but for the rights' probes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ipi_es.cluster.port import Cluster, ServerInfo
from ipi_es.config.job import Job
from ipi_es.errors import ClusterUnreachable, IpiEsError
from ipi_es.setup.check_fields import FieldFacts, judge_fields
from ipi_es.setup.facts_events import EventFacts, event_facts
from ipi_es.setup.facts_fields import field_facts
from ipi_es.setup.facts_templates import TemplateFacts, template_facts
from ipi_es.setup.looks import Looked, look
from ipi_es.setup.rights import Right, try_rights
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import StateStore


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged; ``unreachable``: the cluster was, at the beginning or on the way."""

    now: int
    server: ServerInfo | None = None
    unreachable: IpiEsError | None = None
    rights: tuple[Right, ...] = ()
    templates: Looked[TemplateFacts] = None
    fields: Looked[FieldFacts] = None
    events: Looked[EventFacts] = None
    history_days: int | None = None
    """Days of history that the job has; None: it was never trained."""


def gather(cluster: Cluster, job: Job, now: int, snapshots: Path | None = None) -> Facts:
    """Look at everything; ``now`` is epoch seconds, ``snapshots`` the directory of snapshots (None: the cluster).

    What fails is in the facts; nothing is raised.
    """
    facts = Facts(now, cluster.info)
    try:
        rights = tuple(try_rights(cluster, job, now, snapshots))
        facts = Facts(now, cluster.info, rights=rights, templates=look(lambda: template_facts(cluster, job, now)))
        fields = look(lambda: field_facts(cluster, job))
        facts = Facts(now, cluster.info, rights=rights, templates=facts.templates, fields=fields)
        if isinstance(fields, FieldFacts) and not _blocked(job, fields):
            events = look(lambda: event_facts(cluster, job, now))
            facts = Facts(now, cluster.info, rights=rights, templates=facts.templates, fields=fields, events=events)
        days = look(lambda: history_days(cluster, job.job_id, snapshots))
        facts = replace(facts, history_days=days if isinstance(days, int) else None)
    except ClusterUnreachable as error:
        return Facts(now, cluster.info, error, facts.rights, facts.templates, facts.fields)
    return facts


def _blocked(job: Job, fields: FieldFacts) -> bool:
    """Whether events can't be read, so that looking at them would only repeat what is wrong with the fields."""
    return any(finding.level == "problem" for finding in judge_fields(job, fields))


def history_days(cluster: Cluster, job_id: str, snapshots: Path | None) -> int | None:
    """How long the job's history is; None where it was never trained, or by an ipi-es that didn't note it."""
    state = StateStore(cluster).read(job_id)
    base, _, day = ((state.history_id if state is not None else None) or "").rpartition("+")
    if not base:
        return None
    blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)
    origin = blobs.info(job_id, base).attributes.get("origin")
    return None if origin is None else int(day) - int(origin)
