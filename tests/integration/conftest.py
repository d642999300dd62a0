"""What most tests on real servers begin with; a test file may make its own ``cluster``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from console_results import HOUR, fill
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    """A connection to the server, with our templates in place."""
    made = connect(Connection(hosts=(server.url,)))
    setup_plan.apply(made, setup_plan.plan(made), force=True)
    yield made
    made.close()


@pytest.fixture
def index(cluster: Cluster) -> Iterator[str]:
    """The name of an index for events that nobody else uses; removed at the end."""
    name = f"signins-{uuid.uuid4().hex[:8]}"
    yield name
    for each in cluster.indices(f"{name}*"):
        cluster.delete_index(each)


@pytest.fixture
def context(cluster: Cluster) -> Iterator[ResultContext]:
    """Of a job whose results have indices of their own; removed at the end."""
    name = f"consoles-{uuid.uuid4().hex[:8]}"
    yield ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
    for index in cluster.indices(f"{ALIAS}-{name}*"):
        cluster.delete_index(index)


@pytest.fixture
def filled(cluster: Cluster, context: ResultContext) -> ResultContext:
    """The same, with a day of results of thirty entities."""
    fill(cluster, context, 30)
    return context
