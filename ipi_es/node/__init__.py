"""The local server of ``ipi-es demo`` and of the tests: a real OpenSearch, made of published packages only.

The machine needs no Java, Maven or container engine: the Java runtime comes with a Python package; the server's jars
are downloaded once, checked against a committed list, and kept in the cache.
"""

from __future__ import annotations

from ipi_es.node.detached import NodeStatus, start_detached, status, stop_detached
from ipi_es.node.local import LocalNode

__all__ = ["LocalNode", "NodeStatus", "start_detached", "status", "stop_detached"]
