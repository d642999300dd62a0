"""``python -m ipi_es.node SPEC`` runs the child process of a local node. ``ipi_es.node`` starts it; people don't."""

from __future__ import annotations

import sys
from pathlib import Path

from ipi_es.node import child, opensearch_node

if __name__ == "__main__":
    child.run(Path(sys.argv[1]), opensearch_node.start)
