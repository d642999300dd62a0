"""What every implementation of the cluster port promises; run on the one in memory and on each real server."""

from __future__ import annotations

from cluster_contract_events import EVENTS, event, fill
from cluster_contract_reading import Aggregating, MissingIndices, Scanning, Searching
from cluster_contract_writing import Bulk, Documents, Indices

__all__ = ["EVENTS", "Contract", "event", "fill"]


class Contract(Documents, Bulk, Searching, Aggregating, MissingIndices, Scanning, Indices):
    """All of it. A subclass gives the fixtures ``cluster`` and ``name`` (a prefix that nobody else uses)."""
