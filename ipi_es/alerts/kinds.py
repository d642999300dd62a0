"""What there are alerts for, and in which consoles' words they are written."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from ipi_es.results.words import ResultKind

Stack: TypeAlias = Literal["watcher", "kibana", "opensearch"]
STACKS: tuple[Stack, ...] = get_args(Stack)
STACK_NAMES: dict[Stack, str] = {
    "watcher": "Elasticsearch Watcher",
    "kibana": "Kibana rules",
    "opensearch": "OpenSearch Alerting",
}

Kind: TypeAlias = Literal["buckets", "influencers", "records", "blind", "silent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ScoredKind: TypeAlias = Literal["buckets", "influencers", "records"]
SCORED: dict[ScoredKind, ResultKind] = {"buckets": "bucket", "influencers": "influencer", "records": "record"}
"""Alerts on scores → the type of the results."""

ALWAYS: tuple[Kind, ...] = ("blind", "silent")
"""Come with every other: an alert that can't fire because nothing is written looks like peace."""

TITLES: dict[Kind, str] = {
    "buckets": "unusual buckets",
    "influencers": "unusual entities and addresses",
    "records": "unusual sign-ins",
    "blind": "no events",
    "silent": "no results",
}
