"""The roles that ipi-es ships (``templates/roles/``), and which of them grants a missing right."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ipi_es import resources
from ipi_es.cluster.port import Distribution

READER, WRITER, SETUP = "ipi-es-reader", "ipi-es-writer", "ipi-es-setup"
ANALYST, VERDICT_AUTHOR = "ipi-es-analyst", "ipi-es-verdict-author"
WORKER = (READER, WRITER)
"""Roles of a worker's one key or user, which reads events and writes results over the same connection."""

# each distribution's names for the parts of a role: cluster rights, entries for indices, their patterns, their rights
_KEYS: dict[Distribution, tuple[str, str, str, str]] = {
    "elasticsearch": ("cluster", "indices", "names", "privileges"),
    "opensearch": ("cluster_permissions", "index_permissions", "index_patterns", "allowed_actions"),
}

# an action may end with a sub-action in brackets: indices:data/write/bulk[s]
_ACTION = r"(?:cluster|indices):[\w/:]+(?:\[\w+\])?"
_REFUSED = (
    re.compile(rf"no permissions for \[({_ACTION}(?:, ?{_ACTION})*)\]"),  # OpenSearch
    re.compile(rf"action \[({_ACTION})\] is unauthorized"),  # Elasticsearch
)


@dataclass(frozen=True, slots=True)
class Role:
    """One shipped role: rights on the cluster, and pairs (index patterns, rights on them)."""

    name: str
    distribution: Distribution
    cluster: tuple[str, ...]
    indices: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    @property
    def place(self) -> str:
        """The path of its file, for messages."""
        return f"templates/roles/{self.distribution}/{self.name}.json"

    def rights(self) -> Iterator[str]:
        """Yield all of its rights; some may come several times."""
        yield from self.cluster
        for _, rights in self.indices:
            yield from rights


def shipped(distribution: Distribution) -> list[Role]:
    """Return the roles for one distribution, sorted by name."""
    files = resources.json_files(f"templates/roles/{distribution}")
    return [_role(name, distribution, json.loads(body)) for name, body in files.items()]


def refused_actions(message: str) -> list[str]:
    """Extract the actions that a server's refusal names, such as ``indices:data/write/index``."""
    found = next((match[1] for pattern in _REFUSED if (match := pattern.search(message))), "")
    return [action.strip() for action in found.split(",") if action.strip()]


def granting(distribution: Distribution, action: str) -> Role | None:
    """Return the shipped role that grants an action (a worker's role before setup's); None: no role does."""
    roles = {role.name: role for role in shipped(distribution)}
    for name in (*WORKER, SETUP):
        if any(fnmatchcase(_plain(action), _plain(right)) for right in roles[name].rights()):
            return roles[name]
    return None


def hint(distribution: Distribution, name: str) -> str:
    """Say which role to give to a user or key that lacks a right."""
    return f"give the user or key the role {name}: templates/roles/{distribution}/{name}.json, see docs/security.md"


def wanted(
    events: Sequence[str], results: str, *, snapshots: bool = True, without: Collection[str] = ()
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return the rights that a worker needs on Elasticsearch: on the cluster, and ``{index or pattern: rights}``.

    ``events`` are the job's indices, ``results`` is the pattern of the indices that it writes to. ``snapshots``:
    whether snapshots are kept in the cluster. ``without``: rights on the written indices that it doesn't need.
    """
    roles = {role.name: role for role in shipped("elasticsearch")}
    cluster = sorted({right for name in WORKER for right in roles[name].cluster})
    (_, reading), *_ = roles[READER].indices
    indices = {name: reading for name in events if ":" not in name and not name.startswith("-")}
    for patterns, rights in roles[WRITER].indices:
        for pattern in patterns:
            if snapshots or not pattern.startswith("ipi-es-snapshots"):
                indices[results if "*" in pattern else pattern] = tuple(r for r in rights if r not in without)
    return cluster, indices


def _role(name: str, distribution: Distribution, body: Mapping[str, Any]) -> Role:
    cluster, entries, patterns, rights = _KEYS[distribution]
    indices = tuple((tuple(entry[patterns]), tuple(entry[rights])) for entry in body.get(entries, ()))
    return Role(name, distribution, tuple(body.get(cluster, ())), indices)


def _plain(text: str) -> str:
    """Replace brackets, which fnmatch would take for a set of characters."""
    return text.replace("[", "(").replace("]", ")")
