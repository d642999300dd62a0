"""What `check` judges, gathered from the cluster: reads only, but for the rights' probes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias, TypeVar

from ipi_es.cluster.port import Cluster, Json, ServerInfo
from ipi_es.config.job import Job
from ipi_es.config.nearest import nearest
from ipi_es.datafeed.reader import Datafeed, FeedCounts
from ipi_es.datafeed.requests import MS, window
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import ClusterUnreachable, IpiEsError, NotFound
from ipi_es.ipinsights.split import MIN_DAYS, MIN_ROWS
from ipi_es.setup import plan, policies
from ipi_es.setup.check_fields import FORWARDED, FieldFacts, field_names, judge_fields, needs_everything, parents
from ipi_es.setup.rights import Right, try_rights
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.times import day_of

TOP_ADDRESSES = 1_000
"""Addresses with the most events that are looked at: enough to see a proxy, and one small answer."""

TOP_OUTCOMES = 20
"""Outcomes with the most events; ECS knows three."""

CLOCK_TOLERANCE = 3_600
"""Seconds that an event may lie ahead of this machine's clock: shippers' clocks and time zones are never exact."""

_BACKING = re.compile(r"\.ds-(.+?)(?:-\d{4}\.\d{2}\.\d{2})?-\d{6}")
"""The name of a data stream's index: Elasticsearch puts the day into it, OpenSearch doesn't."""

T = TypeVar("T")
Looked: TypeAlias = T | IpiEsError | None
"""What was found, the error instead of it, or None: not looked at, because something before it was wrong."""


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """Templates that are missing, and what else setup would change."""

    missing: tuple[str, ...]
    changes: tuple[str, ...]
    too_short: str | None = None
    """Why the lifecycle policy deletes the job's results too soon; None: it doesn't, as far as can be told."""
    stuck: str | None = None
    """Why the server can't do what the policy says; None: it can, as far as can be told."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a training would have, counted no further than is enough. ``enough``: counting stopped for that reason."""

    rows: int
    """Unique (bucket, entity, IP) of ``learn_outcomes``."""
    days: int
    """UTC days that have some."""
    enough: bool


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The events. Times in epoch seconds; [start, end) is the part that was looked at, as long as a training's window.

    ``stored`` counts all documents of the indices, ``counts`` those in [start, end) that match the query; where
    nothing matches there is no more than ``stored`` and ``stored_range``.
    """

    stored: int
    stored_range: tuple[int, int] | None = None
    first: int = 0
    last: int = 0
    start: int = 0
    end: int = 0
    counts: FeedCounts = field(default_factory=lambda: FeedCounts(0, 0, 0, 0, 0))
    future: int = 0
    """Events that lie ahead of the clock by more than :data:`CLOCK_TOLERANCE`."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    missing_outcome: int = 0
    addresses: Mapping[str, int] = field(default_factory=dict)
    """The :data:`TOP_ADDRESSES` with the most events, with their counts."""
    teaching: Teaching = field(default_factory=lambda: Teaching(0, 0, enough=False))


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
        facts = Facts(now, cluster.info, rights=rights, templates=_look(lambda: template_facts(cluster, job)))
        fields = _look(lambda: field_facts(cluster, job))
        facts = Facts(now, cluster.info, rights=rights, templates=facts.templates, fields=fields)
        if isinstance(fields, FieldFacts) and not _blocked(job, fields):
            events = _look(lambda: event_facts(cluster, job, now))
            facts = Facts(now, cluster.info, rights=rights, templates=facts.templates, fields=fields, events=events)
        days = _look(lambda: history_days(cluster, job.job_id, snapshots))
        facts = replace(facts, history_days=days if isinstance(days, int) else None)
    except ClusterUnreachable as error:
        return Facts(now, cluster.info, error, facts.rights, facts.templates, facts.fields)
    return facts


def _look(act: Callable[[], T]) -> T | IpiEsError:
    try:
        return act()
    except ClusterUnreachable:
        raise
    except IpiEsError as error:
        return error


def _blocked(job: Job, fields: FieldFacts) -> bool:
    """Whether events can't be read, so that looking at them would only repeat what is wrong with the fields."""
    return any(finding.level == "problem" for finding in judge_fields(job, fields))


def template_facts(cluster: Cluster, job: Job) -> TemplateFacts:
    """What setup would do. UsageError where the cluster's templates are newer than ours."""
    changes, missing = plan.plan(cluster), plan.missing_templates(cluster)
    too_short = policies.too_short(cluster, job)
    return TemplateFacts(tuple(missing), tuple(change.title for change in changes), too_short, policies.stuck(cluster))


def field_facts(cluster: Cluster, job: Job) -> FieldFacts:
    """The types of the job's fields. NotFound, with a hint, where no index matches."""
    wanted = field_names(job)
    # the sub-fields too: a text field's keyword is what is meant most often
    above = {each for name in wanted for each in parents(name)}
    asked = [*wanted, *sorted(above), *(f"{name}.keyword" for name in wanted), *FORWARDED, "_index"]
    indices, types = _types(cluster, job, asked)
    everything = cluster.field_types(indices, ["*"]) if needs_everything(job, types) else {}
    names = {index for kinds in types.values() for found in kinds.values() for index in found}
    return FieldFacts(tuple(sorted(names)), types, everything)


def _types(cluster: Cluster, job: Job, asked: list[str]) -> tuple[list[str], dict[str, dict[str, list[str]]]]:
    feed = job.datafeed_config
    indices = list(feed.indices)
    try:
        return indices, cluster.field_types(indices, asked)
    except NotFound as error:
        if {"hidden", "all"} & set(feed.indices_options.expand_wildcards):
            hidden = [name for pattern in indices for name in cluster.indices(pattern)]
            if hidden:
                return hidden, cluster.field_types(hidden, asked)
        raise _no_index(cluster, indices) from error


def _no_index(cluster: Cluster, indices: list[str]) -> NotFound:
    there = _look(lambda: cluster.indices("*"))
    known = sorted({_plain_name(name) for name in there}) if isinstance(there, list) else []
    text = f"no index matches datafeed_config.indices: {', '.join(indices)}"
    shut = next((name for name in known for pattern in indices if fnmatchcase(name, pattern)), None)
    if shut is not None:
        return NotFound(
            f"{text}; {shut} is there, but closed or hidden, or this user may not read it",
            hint=f"POST {shut}/_open opens a closed one; for hidden ones, set "
            "datafeed_config.indices_options.expand_wildcards: [open, hidden]",
            status=404,
        )
    plain = [name for name in known if not name.startswith((".", "ipi-es-"))]
    guess = nearest(indices[0].rstrip("*-"), plain)
    hint = f"there is “{guess}”; " if guess else ""
    hint += "check datafeed_config.indices, and that the user may see the indices (`GET _cat/indices` lists them)"
    if any(":" in name for name in indices):
        hint += "; `GET _remote/info` lists the remote clusters that this one knows"
    return NotFound(text, hint=hint, status=404)


def _plain_name(index: str) -> str:
    """The data stream of a backing index, which is what people name; any other index's own name."""
    match = _BACKING.fullmatch(index)
    return match[1] if match else index


def event_facts(cluster: Cluster, job: Job, now: int) -> EventFacts:
    """Look at the events of the last training window that there is."""
    spec = FeedSpec.from_job(job)
    feed = Datafeed(cluster, spec, readers=1)
    stored = cluster.count(spec.indices, {"match_all": {}}, options=spec.options)
    found = feed.time_range() if stored else None
    if found is None:
        return EventFacts(stored, stored_range=_stored_range(cluster, spec) if stored else None)
    first, last = found
    ahead = last > now + CLOCK_TOLERANCE
    end = now if ahead and first < now else last
    start = max(first, end - job.training.window)
    answer = cluster.search(spec.indices, _body(spec, start, end), options=spec.options)
    aggregations = answer.get("aggregations", {})
    return EventFacts(
        stored=stored,
        first=first,
        last=last,
        start=start,
        end=end,
        counts=feed.counts(start, end),
        future=feed.counts(now + CLOCK_TOLERANCE, last).events if ahead else 0,
        outcomes=_terms(aggregations, "outcomes"),
        missing_outcome=int(aggregations.get("missing_outcome", {}).get("doc_count", 0)),
        addresses=_terms(aggregations, "addresses"),
        teaching=teaching(feed, job, start, end),
    )


def history_days(cluster: Cluster, job_id: str, snapshots: Path | None) -> int | None:
    """How long the job's history is; None where it was never trained, or by an ipi-es that didn't note it."""
    state = StateStore(cluster).read(job_id)
    base, _, day = ((state.history_id if state is not None else None) or "").rpartition("+")
    if not base:
        return None
    blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)
    origin = blobs.info(job_id, base).attributes.get("origin")
    return None if origin is None else int(day) - int(origin)


def teaching(feed: Datafeed, job: Job, start: int, end: int) -> Teaching:
    """Read [start, end) until there is enough to train on; most jobs have that after a few event buckets a day."""
    span, wanted = job.bucket_span, max(job.training.min_events, MIN_ROWS)
    rows, days = 0, set()
    buckets = feed.read(start, -(-end // span) * span, span)
    for bucket in buckets:
        learns = [index for index, name in enumerate(bucket.outcomes) if name in job.datafeed_config.learn_outcomes]
        count = sum(int((bucket.outcome == index).sum()) for index in learns)
        if count:
            rows += count
            days.add(day_of(bucket.start))
        if rows >= wanted and len(days) >= MIN_DAYS:
            return Teaching(rows, len(days), enough=True)
    return Teaching(rows, len(days), enough=False)


def _body(spec: FeedSpec, start: int, end: int) -> Json:
    aggregations: Json = {"addresses": {"terms": {"field": spec.ip_field, "size": TOP_ADDRESSES}}}
    if spec.outcome_field is not None:
        aggregations["outcomes"] = {"terms": {"field": spec.outcome_field, "size": TOP_OUTCOMES}}
        aggregations["missing_outcome"] = {"missing": {"field": spec.outcome_field}}
    body: Json = {"size": 0, "track_total_hits": False, "query": window(spec, start, end), "aggs": aggregations}
    if spec.runtime_mappings:
        body["runtime_mappings"] = dict(spec.runtime_mappings)
    return body


def _terms(aggregations: Mapping[str, Json], name: str) -> dict[str, int]:
    buckets = aggregations.get(name, {}).get("buckets", ())
    return {str(each.get("key_as_string", each["key"])): int(each["doc_count"]) for each in buckets}


def _stored_range(cluster: Cluster, spec: FeedSpec) -> tuple[int, int] | None:
    """[first, end) of all documents, whatever the query."""
    field_ = {"field": spec.time_field}
    body = {"size": 0, "track_total_hits": False, "aggs": {"first": {"min": field_}, "last": {"max": field_}}}
    found = cluster.search(spec.indices, body, options=spec.options).get("aggregations", {})
    first, last = (found.get(name, {}).get("value") for name in ("first", "last"))
    return None if first is None or last is None else (int(first // MS), int(last // MS) + 1)
