"""Index templates that take our indices, on real servers: what takes effect is theirs to say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_company as company
from servers.pool import Server
from takeover_suite import OTHER, STRONGER, TAKEN, TakeoverSuite

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.setup import templates


class TestTakeovers(TakeoverSuite):
    @pytest.fixture
    def cluster(self, server: Server) -> Iterator[Cluster]:
        made = connect(Connection(hosts=(server.url,)))
        for template in templates.load():
            server.call("DELETE", f"/_index_template/{template.name}")
        yield made
        server.call("DELETE", f"/_index_template/{OTHER}")
        made.delete_index(company.EVENTS)
        # other tests need them as they are shipped
        for template in templates.load():
            made.put_index_template(template.name, templates.stamped(template.body))
        made.close()

    @pytest.fixture
    def config(self, server: Server, tmp_path: Path) -> Path:
        file = tmp_path / "ipi-es.yml"
        file.write_text(json.dumps({"elasticsearch": {"hosts": [server.url]}}))
        return file

    def test_the_server_says_what_takes_effect(self, cluster: Cluster) -> None:
        """It knows parts that a template is composed of, which comparing priorities does not."""
        cluster.put_index_template(OTHER, STRONGER)
        effect = cluster.admin.simulate_index(TAKEN)
        assert effect is not None
        assert effect["settings"]["index"]["number_of_replicas"] == "0"
        assert OTHER in cluster.admin.index_templates()

    def test_lasting_write_blocks_are_told(self, server: Server, cluster: Cluster) -> None:
        cluster.create_index(TAKEN, {})
        assert cluster.admin.write_blocks(f"{TAKEN}*") == {}
        for block in ("write", "read_only"):
            server.call("PUT", f"/{TAKEN}/_settings", {f"index.blocks.{block}": True})
            assert cluster.admin.write_blocks(f"{TAKEN}*") == {TAKEN: f"index.blocks.{block}"}
            server.call("PUT", f"/{TAKEN}/_settings", {f"index.blocks.{block}": None})
        server.call("PUT", f"/{TAKEN}/_settings", {"index.blocks.read_only_allow_delete": True})
        assert cluster.admin.write_blocks(f"{TAKEN}*") == {}
        server.call("PUT", f"/{TAKEN}/_settings", {"index.blocks.read_only_allow_delete": None})
