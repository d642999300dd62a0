"""The datafeed's contract on the cluster in memory."""

from __future__ import annotations

import pytest
from feed_contract import FeedContract

from ipi_es.testing.memory_cluster import MemoryCluster


class TestMemory(FeedContract):
    @pytest.fixture
    def cluster(self) -> MemoryCluster:
        return MemoryCluster()

    @pytest.fixture
    def name(self) -> str:
        return "feed"
