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

Kind: TypeAlias = Literal["buckets", "influencers", "records", "blind", "silent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ScoredKind: TypeAlias = Literal["buckets", "influencers", "records"]
SCORED: dict[ScoredKind, ResultKind] = {"buckets": "bucket", "influencers": "influencer", "records": "record"}
"""Kinds of alerts on scores → the type of their results."""

ALWAYS: tuple[Kind, ...] = ("blind", "silent")
"""Always installed with the others: where no results are written, no other alert can be raised."""

TITLES: dict[Kind, str] = {
    "buckets": "unusual buckets",
    "influencers": "unusual entities and addresses",
    "records": "unusual sign-ins",
    "blind": "no events",
    "silent": "no results",
}
