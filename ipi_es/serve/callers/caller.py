"""A caller of the server."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.cluster.port import Cluster

ANONYMOUS = "anonymous"
"""The name of every caller of a cluster without security."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, as the cluster knows it."""

    name: str
    """The cluster's name of the user, or :data:`ANONYMOUS`."""
    cluster: Cluster
    """The cluster under the caller's own credentials: its roles decide what may be read and written."""
