"""A job that was trained once by the command, for all tests that backfill it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import worker_company as company
from backfill_process import Bench
from servers.pool import Server


@pytest.fixture(scope="session")
def trained_bench(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The company's job, trained; use :func:`bench`."""
    name = f"backfill-{uuid.uuid4().hex[:8]}"
    made = Bench(opensearch.url, tmp_path_factory.mktemp("bench"), company.make_job(name, f"test-{name}"))
    try:
        made.train()
        yield made
    finally:
        made.remove()


@pytest.fixture
def bench(trained_bench: Bench) -> Bench:
    """The job as it was after its training: nothing scored."""
    trained_bench.fresh()
    return trained_bench
