"""The result store on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from made_results import HOUR, START, bucket
from results_suite import ResultsSuite
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.setup import templates


class TestResultStore(ResultsSuite):
    @pytest.fixture
    def cluster(self, server: Server) -> Iterator[Cluster]:
        made = connect(Connection(hosts=(server.url,)))
        yield made
        made.close()

    def test_result_index_is_as_the_template_says(
        self, server: Server, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([bucket(context)], 1)
        (index,) = cluster.indices(f"{ALIAS}-{context.job_id}*")
        status, answer = server.call("GET", f"/{index}")
        assert status == 200
        settings = answer[index]["settings"]["index"]
        assert settings["gc_deletes"] == "1h"
        if not server.is_opensearch:
            assert settings["lifecycle"]["origination_date"] == str((START + HOUR) * 1_000)
        assert answer[index]["aliases"] == {ALIAS: {}}
        assert answer[index]["mappings"]["dynamic"] == "false"
        version = templates.schema_version(templates.load()[0].body)
        assert answer[index]["mappings"]["_meta"]["schema_version"] == version
