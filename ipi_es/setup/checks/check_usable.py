"""Checks before a long step starts; fewer and cheaper than those of `check`."""

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
    """Raise the first problem that `check` would find with the indices, the fields or the query.

    Raises NotFound (no index matches), FieldMissing, FieldTypeWrong, NoEvents (empty, or nothing matches), ConfigError
    (this server doesn't support a setting), UsageError (results that don't fit into an existing index), each with a
    hint. Makes about five small requests.
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
    """Say what a new job waits for if nothing is wrong except that there is no event yet; None: it needn't wait.

    An index that is named without a pattern must exist, and the right to read must be there: without it, Elasticsearch
    answers a search over a pattern as if there were no index.
    """
    spec = FeedSpec.from_job(job)
    if any(":" in name for name in spec.indices):
        return None  # the rights on another cluster aren't known here
    try:
        there = cluster.count(spec.indices, {"match_all": {}}, options=replace(spec.options, ignore_unavailable=False))
    except (NotFound, RequestRejected):
        return None  # an index is missing, closed or may not be read: the training reports it, or works without it
    rights = {name: ("read",) for name in spec.indices if not name.startswith("-")}
    if there or cluster.lacking([], rights):
        return None
    return f"the first events: there is no document in {', '.join(spec.indices)}"


def require_templates(cluster: Cluster, jobs: Sequence[Job] | None = None) -> None:
    """Raise unless new indices of ipi-es get the right templates: else the servers guess mappings, and guess wrong.

    Raises NotFound where setup didn't run. With ``jobs`` also UsageError where a foreign index template applies to the
    index of the state, of the snapshots, or to the result indices of these jobs.
    """
    missing = missing_templates(cluster)
    if missing:
        raise NotFound(f"index templates are missing: {', '.join(missing)}", hint="run `ipi-es setup` once")
    if jobs is not None:
        require_none(cluster, jobs)
