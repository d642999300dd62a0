"""What the fault cases in memory begin with: the stages' job, trained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import worker_company as company
import worker_parts as parts
import write_stages as stages
from fault_place import Place
from servers.pool import Server

from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session


@pytest.fixture(scope="module")
def made_training() -> Iterator[pytest.MonkeyPatch]:
    """Training without TensorFlow, and so little spraying as there is counts as critical: there are repeats then."""
    with pytest.MonkeyPatch.context() as patch:
        parts.critical_from(patch, 15.0)
        parts.train_by(patch)
        yield patch


@pytest.fixture(scope="module")
def trained(made_training: pytest.MonkeyPatch) -> MemoryCluster:
    """The stages' job, with nothing scored."""
    cluster = stages.bare()
    with open_session(JobResources(cluster, stages.JOB, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    return cluster


@pytest.fixture(scope="module")
def one(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place.made(server.url, tmp_path_factory.mktemp("faults"))
    yield place
    place.remove()


@pytest.fixture
def place(one: Place) -> Place:
    """Trained, and nothing scored."""
    one.fresh()
    return one


@pytest.fixture(scope="module")
def one_opensearch(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place.made(opensearch.url, tmp_path_factory.mktemp("faults"))
    yield place
    place.remove()
