"""Hints for server answers with a specific cause, chosen by their error types and reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

INCOMPLETE_HINT = (
    "nothing was scored from it; look at the cluster's health, and whether a proxy or a cache between here and the "
    "cluster changes answers"
)
BUSY_HINT = "look at the cluster's health and load; ipi-es tried again as often as max_retries allows"
DISK_FULL_HINT = (
    "most often a disk is full: free space or add a node; the block goes away by itself, or remove it with"
    ' PUT {index}/_settings {{"index.blocks.read_only_allow_delete": null}}'
)
BUCKETS_HINT = (
    "make datafeed_config.max_page smaller than the cluster's search.max_buckets (`GET _cluster/settings?"
    "include_defaults`), or raise that setting"
)
SHARDS_HINT = (
    "the cluster has as many shards as it may have: delete or close indices that are not needed, or raise "
    "cluster.max_shards_per_node"
)
LONG_LINE_HINT = (
    "the path and the parameters of one request may have 4,096 bytes: write fewer or shorter names into "
    "datafeed_config.indices, or a pattern for them, or raise http.max_initial_line_length"
)
NO_SHARD_HINT = (
    "a shard has no node at the moment, or none that answers: `GET _cluster/allocation/explain` says why; ipi-es goes "
    "on once it is assigned"
)

CLOSED_HINT = "POST INDEX/_open opens the index; or take it out of datafeed_config.indices, or out of the alias"
CLOSED = "index_closed_exception"
NO_SHARD_KINDS = frozenset({"no_shard_available_action_exception", "unavailable_shards_exception"})
ALL_FAILED = "all shards failed"
"""The reason when a search finds no shard of its indices assigned; the answer has no cause then."""
SOME_MISSING = "due to missing shards"
"""Part of the reason where some shards are not assigned."""

_BLOCKED_INDEX = re.compile(r"index \[([^\]]+)\] blocked by")
_SETTINGS = (
    ("FORBIDDEN/8/", "index.blocks.write"),
    ("FORBIDDEN/5/", "index.blocks.read_only"),
    ("FORBIDDEN/9/", "index.blocks.metadata"),
)
READ_BLOCKED = "FORBIDDEN/7/"
"""The code in a server's answer for an index that may not be read: ``index.blocks.read``."""
_CLUSTER_WIDE = ("FORBIDDEN/6/", "FORBIDDEN/13/")
_SHARD_LIMIT = re.compile(r"maximum (?:normal |frozen |data nodes? )?shards open|max_shards_per_node", re.IGNORECASE)
_LONG_LINE = re.compile(r"HTTP (?:request )?line is (?:too long|larger)|too_long_(?:http_line|frame)", re.IGNORECASE)


def block_hint(reason: str) -> str:
    """Return the hint for a block, chosen by the server's reason: a setting, or a full disk."""
    named = _BLOCKED_INDEX.search(reason)
    index = named[1] if named else "INDEX"
    if READ_BLOCKED in reason:
        return (
            f"reading the index is forbidden by a setting; if it is to be read: PUT {index}/_settings "
            '{"index.blocks.read": null}; else leave it out of datafeed_config.indices'
        )
    for code, setting in _SETTINGS:
        if code in reason:
            return (
                f"a person or a lifecycle policy has made the index read-only; if it is to be written to: PUT "
                f'{index}/_settings {{"{setting}": null}}'
            )
    if any(code in reason for code in _CLUSTER_WIDE):
        return (
            "the whole cluster is read-only: look at cluster.blocks.read_only and "
            "cluster.blocks.read_only_allow_delete in `GET _cluster/settings`"
        )
    return DISK_FULL_HINT.format(index=index)


def special_hint(kinds: Collection[str], said: str) -> str | None:
    """Return the hint for a cause that has its own, or None: then the status decides.

    ``said``: the reason, with its error types.
    """
    if "too_many_buckets_exception" in kinds:
        return BUCKETS_HINT
    if CLOSED in kinds:
        return CLOSED_HINT
    if _SHARD_LIMIT.search(said):
        return SHARDS_HINT
    if _LONG_LINE.search(said) or any(_LONG_LINE.search(kind) for kind in kinds):
        return LONG_LINE_HINT
    if NO_SHARD_KINDS & set(kinds) or said.strip(" :") == ALL_FAILED or SOME_MISSING in said:
        return NO_SHARD_HINT
    return None
