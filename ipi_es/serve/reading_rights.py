"""Proof that a caller may read an index: without it, “nothing” could also mean that the caller may not read."""

from __future__ import annotations

from contextlib import suppress

from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotFound, PermissionDenied
from ipi_es.results.words import ALIAS


def require_reading(cluster: Cluster, index: str = ALIAS) -> None:
    """Raise PermissionDenied where the caller may not read an index of ipi-es, by default the results.

    A search shows that only on OpenSearch: Elasticsearch leaves out what may not be read.
    """
    if cluster.lacking((), {index: ("read",)}):
        raise PermissionDenied(
            f"these credentials may not read {index}",
            hint="give the user the role ipi-es-analyst, or ipi-es-writer for snapshots",
            status=403,
        )
    with suppress(NotFound):
        cluster.count(index, {"match_none": {}})
