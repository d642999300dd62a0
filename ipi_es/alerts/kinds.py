"""Kinds of alerts, and the consoles that alert definitions are written for."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from ipi_es.results.words import ResultKind

Stack: TypeAlias = Literal["watcher", "kibana", "opensearch"]
STACK_NAMES: dict[Stack, str] = {
    "watcher": "Elasticsearch Watcher",
    "kibana": "Kibana rules",
    "opensearch": "OpenSearch Alerting",
}

Kind: TypeAlias = Literal["incidents", "buckets", "influencers", "records", "blind", "silent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FindingKind: TypeAlias = Literal["incidents", "buckets", "influencers", "records"]
ScoredKind: TypeAlias = Literal["buckets", "influencers", "records"]
SCORED: dict[ScoredKind, ResultKind] = {"buckets": "bucket", "influencers": "influencer", "records": "record"}
"""Kinds of alerts on scores → the type of their results."""

FINDINGS: tuple[FindingKind, ...] = get_args(FindingKind)
"""Kinds of alerts on what was found; blind and silent are alerts on a job that finds nothing."""

ALWAYS: tuple[Kind, ...] = ("blind", "silent")
"""Always installed with the others: where no results are written, no other alert can be raised."""

TITLES: dict[Kind, str] = {
    "incidents": "incidents",
    "buckets": "unusual buckets",
    "influencers": "unusual entities and addresses",
    "records": "unusual sign-ins",
    "blind": "no events",
    "silent": "no results",
}
