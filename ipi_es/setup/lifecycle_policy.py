"""The lifecycle policy of result indices: the server deletes an index once no job needs it any longer.

The worker deletes each job's old results with or without a policy. The policy covers indices that no worker visits any
more. An administrator may add phases to it: a policy that was changed by hand is left alone.

One policy covers all result indices, so it deletes an index only when the job with the longest retention no longer
needs it. If one job keeps its results for ever, or isn't configured here, the policy deletes nothing. On Elasticsearch
an index's age counts from its ``origination_date``, the end of its month. OpenSearch knows only the day on which the
index was created, at the earliest the first of its month, so the length of the longest month is added there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es import resources
from ipi_es.cluster.answers.answers import all_buckets
from ipi_es.cluster.port import Cluster, Distribution
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied, RequestRejected
from ipi_es.results.retention import held_for
from ipi_es.results.words import ALIAS
from ipi_es.setup.setup_change import SetupChange
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.times import SECONDS

log = logging.getLogger(__name__)

POLICY = "ipi-es-results"
LIFECYCLE_NAME = "template.settings.index.lifecycle.name"
"""Path in Elasticsearch's index template of the policy that new indices get."""

LONGEST_MONTH = 31
"""Days from the earliest creation of a month's index to the end of the month."""

FOR_EVER = 36_500
"""Days that mean "for ever" where a policy must name an age. A policy without its last step couldn't get one later
without resetting the states of the indices."""

MAX_JOBS = 10_000
"""Maximum number of job ids that are read from an index."""

_DAYS = re.compile(r"(\d+)d")


@dataclass(frozen=True, slots=True)
class RetentionNeed:
    """Days for which all results must be kept; None: for ever. ``why`` gives the reason, for people."""

    days: int | None
    why: str


def kept(jobs: Sequence[Job], known: Collection[str]) -> RetentionNeed:
    """Compute how long all jobs together need an index; ``known``: ids of the jobs that the cluster knows."""
    strangers = sorted(set(known) - {job.job_id for job in jobs})
    for_ever = sorted(job.job_id for job in jobs if job.results_retention_days is None)
    if strangers:
        return RetentionNeed(None, f"it is not known here how long job {strangers[0]} keeps its results")
    if for_ever:
        return RetentionNeed(None, f"job {for_ever[0]} keeps its results for ever (no results_retention_days)")
    longest = max(jobs, key=_days, default=None)
    if longest is None:
        return RetentionNeed(None, "there is no job")
    return RetentionNeed(_days(longest), f"job {longest.job_id} needs them longest")


def _days(job: Job) -> int:
    """Return the days for which a job needs its results: its retention, or longer if records with holds are needed."""
    held = 0 if job.hold_probability <= 0.0 else held_for(job)
    return max(job.results_retention_days or 0, -(-held // SECONDS["d"]))


def made(distribution: Distribution, days: int | None) -> dict[str, Any]:
    """Return the shipped policy with this age in days; None: it deletes nothing."""
    form = "ilm" if distribution == "elasticsearch" else "ism"
    policy: dict[str, Any] = json.loads(resources.json_files("templates/policies")[f"{POLICY}.{form}"])["policy"]
    if form == "ism":
        age = FOR_EVER if days is None else days + LONGEST_MONTH
        policy["states"][0]["transitions"][0]["conditions"]["min_index_age"] = f"{age}d"
    elif days is None:
        del policy["phases"]["delete"]
    else:
        policy["phases"]["delete"]["min_age"] = f"{days}d"
    return policy


def days_of(distribution: Distribution, policy: Mapping[str, Any]) -> tuple[bool, int | None]:
    """Compare a policy with the shipped one, and read its age.

    Returns (whether nothing but the age differs, the age in days as given to :func:`made`).
    """
    try:
        if distribution == "elasticsearch":
            text = policy["phases"].get("delete", {}).get("min_age")
        else:
            text = policy["states"][0]["transitions"][0]["conditions"]["min_index_age"]
    except (KeyError, IndexError, TypeError, AttributeError):
        return False, None
    found = None if text is None else _DAYS.fullmatch(str(text))
    if text is not None and found is None:
        return False, None
    days = None if found is None else int(found[1])
    if distribution == "opensearch" and days is not None:
        days = None if days == FOR_EVER else days - LONGEST_MONTH
    return _outline(policy) == _outline(made(distribution, days)), days


def _outline(policy: Mapping[str, Any]) -> Any:
    """Reduce a policy to what it does, without what servers add: versions, times, retries, defaults."""
    phases = {
        name: (body.get("min_age") if name == "delete" else None, sorted(body.get("actions", {})))
        for name, body in policy.get("phases", {}).items()
    }
    states = [
        (
            state["name"],
            [sorted(set(action) - {"retry", "timeout"}) for action in state.get("actions") or ()],
            [(each.get("state_name"), each.get("conditions")) for each in state.get("transitions") or ()],
        )
        for state in policy.get("states", ())
    ]
    attached = policy.get("ism_template") or ()
    attached = [attached] if isinstance(attached, Mapping) else attached  # an early OpenSearch gives a single one
    patterns = sorted(pattern for each in attached for pattern in each["index_patterns"])
    return phases, states, patterns


def available(cluster: Cluster) -> bool:
    """Return whether the server has lifecycle policies and the credentials may read them."""
    try:
        return cluster.lifecycles.available()
    except PermissionDenied as error:
        log.info("lifecycle policies are left alone, the worker deletes old results by itself: %s", error.message)
        return False


def changes(cluster: Cluster, jobs: Sequence[Job] | None) -> list[SetupChange]:
    """Return the changes that the policy needs; ``jobs`` None: the jobs aren't known, so the age stays as it is.

    A policy that fails is put again even if nothing differs: it keeps the rights that its author had when putting it.
    """
    distribution, current = cluster.info.distribution, cluster.lifecycles.read(POLICY)
    ours, days = (True, None) if current is None else days_of(distribution, current)
    if not ours:
        log.info("lifecycle policy %s was changed by hand and stays as it is", POLICY)
        return []
    unknown = RetentionNeed(None if current is None else days, "the jobs are not known")
    wanted = kept(jobs, _known(cluster)) if jobs else unknown
    failure = None if current is None else stuck(cluster)
    if current is not None and days == wanted.days and failure is None:
        return []
    body = made(distribution, wanted.days)
    lines = [] if current is None or days == wanted.days else [f"- {_said(days)}"]
    again = [] if failure is None else [f"+ put again, with the rights of who runs this: {failure}"]
    diff = "\n".join([*lines, f"+ {_said(wanted.days)}: {wanted.why}", *again])
    return [SetupChange("create" if current is None else "upgrade", "lifecycle policy", POLICY, diff, body)]


def attachments(cluster: Cluster, *, template_names: str | None) -> list[SetupChange]:
    """Return a change for each index without a policy; none if the template names another policy for new indices."""
    if template_names not in (None, POLICY):
        return []
    return [
        SetupChange("attach", "lifecycle policy to index", index, f"+ {POLICY}")
        for index, name in cluster.lifecycles.of_indices(f"{ALIAS}-*").items()
        if name is None
    ]


def put(cluster: Cluster, change: SetupChange) -> None:
    """Make one change. Raises RequestRejected, with a hint, where the server refuses the policy."""
    lifecycles = cluster.lifecycles
    if change.kind == "lifecycle policy to index":
        lifecycles.attach(POLICY, change.name)
        return
    try:
        lifecycles.write(change.name, change.body)
    except RequestRejected as error:
        raise RequestRejected(
            f"lifecycle policy {change.name} was refused: {error.message}",
            hint="is there another policy of the same priority for ipi-es-anomalies-*? Change its pattern or priority",
            status=error.status,
        ) from error
    for index, name in lifecycles.of_indices(f"{ALIAS}-*").items():
        if name == change.name:
            lifecycles.renew(change.name, index)


def too_short(cluster: Cluster, job: Job) -> str | None:
    """Return why the policy deletes a job's results too soon, for people; None: it doesn't, or it isn't known."""
    try:
        current = cluster.lifecycles.read(POLICY) if cluster.lifecycles.available() else None
    except PermissionDenied:
        return None
    ours, days = (False, None) if current is None else days_of(cluster.info.distribution, current)
    if not ours or days is None:
        return None
    if job.results_retention_days is None:
        return f"lifecycle policy {POLICY} deletes results after {days} days, and job {job.job_id} keeps them for ever"
    if days < _days(job):
        return f"lifecycle policy {POLICY} deletes results after {days} days, and job {job.job_id} needs {_days(job)}"
    return None


def stuck(cluster: Cluster) -> str | None:
    """Return why the policy fails on an index, for people; None: it doesn't, or it isn't known."""
    try:
        found = cluster.lifecycles.stuck(f"{ALIAS}-*")
    except PermissionDenied:
        return None
    if not found:
        return None
    index, why = next(iter(found.items()))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"lifecycle policy {POLICY} fails on {index}{more}: {why}"


def _said(days: int | None) -> str:
    return "nothing is deleted" if days is None else f"indices are deleted {days} days after their month's end"


def _known(cluster: Cluster) -> list[str]:
    """Return the ids of the jobs that have a state or results."""
    found: set[str] = set()
    for index in (STATE_INDEX, ALIAS):
        cluster.refresh(index)
        query = {"exists": {"field": "job_id"}}
        aggs = {"jobs": {"terms": {"field": "job_id", "size": MAX_JOBS}}}
        answer = cluster.search(index, {"query": query, "size": 0, "track_total_hits": True, "aggs": aggs})
        found |= {str(each["key"]) for each in all_buckets(answer, "jobs", cluster.info.url)}
    return sorted(found)
