"""What must be right before a long step starts; fewer and cheaper looks than `check` has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import NotFound, RequestRejected
from ipi_es.setup.checks.check_events import no_documents, nothing_matches
from ipi_es.setup.checks.check_fields import judge_fields, unreadable_roles
from ipi_es.setup.checks.check_indices import judge_clashes
from ipi_es.setup.facts.document_sample import take_sample
from ipi_es.setup.facts.facts_fields import field_facts
from ipi_es.setup.facts.facts_indices import result_clashes
from ipi_es.setup.setup_plan import missing_templates
from ipi_es.setup.template_conflicts import require_none


def require_usable(cluster: Cluster, job: Job) -> None:
    """Raise what `check` would call a problem with the indices, the fields or the query, before anything starts.

    NotFound (no index matches), FieldMissing, FieldTypeWrong, NoEvents (empty, or nothing matches), ConfigError (what
    this server can't do), UsageError (results that don't fit into an index that is there), each with a hint. Five small
    requests.
    """
    spec = FeedSpec.from_job(job)
    feed = Datafeed(cluster, spec)
    fields = field_facts(cluster, job)
    if unreadable_roles(job, fields):
        fields = replace(fields, sample=take_sample(cluster, None, spec))
    for finding in [*judge_fields(job, fields), *judge_clashes(job, result_clashes(cluster, job))]:
        if finding.level == "problem" and finding.error is not None:
            raise finding.error
    if feed.time_range() is None:
        stored = cluster.count(spec.indices, {"match_all": {}}, options=spec.options)
        raise nothing_matches(job, stored) if stored else no_documents(job)


def awaited(cluster: Cluster, job: Job) -> str | None:
    """What a new job waits for where nothing is wrong but that no event has come yet; None: it has not to wait.

    An index that is named, and not by a pattern, must be there. So must be the right to read: without it Elasticsearch
    answers a search over a pattern as if there were no index.
    """
    spec = FeedSpec.from_job(job)
    if any(":" in name for name in spec.indices):
        return None  # of another cluster nobody here can say what may be read
    try:
        there = cluster.count(spec.indices, {"match_all": {}}, options=replace(spec.options, ignore_unavailable=False))
    except (NotFound, RequestRejected):
        return None  # an index is missing, closed or may not be read: the training says so, or does without it
    rights = {name: ("read",) for name in spec.indices if not name.startswith("-")}
    if there or cluster.lacking([], rights):
        return None
    return f"the first events: there is no document in {', '.join(spec.indices)}"


def require_templates(cluster: Cluster, jobs: Sequence[Job] | None = None) -> None:
    """Raise unless new indices of ipi-es are made as they must be: else the servers guess mappings, and guess wrong.

    NotFound where setup didn't run. With ``jobs`` also UsageError where an index template of somebody else takes the
    index of the state, of the snapshots, or the result indices of these jobs.
    """
    missing = missing_templates(cluster)
    if missing:
        raise NotFound(f"index templates are missing: {', '.join(missing)}", hint="run `ipi-es setup` once")
    if jobs is not None:
        require_none(cluster, jobs)
