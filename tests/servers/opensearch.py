"""OpenSearch for the tests: the local node that the demo uses too."""

from __future__ import annotations

from ipi_es.node import LocalNode

KIND = "opensearch-3.8.0"


def start_opensearch() -> LocalNode:
    """Start one on any free port, its data in the cache, gone with this process."""
    return LocalNode.start()
