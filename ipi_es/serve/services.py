"""What every part of the server needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.config.settings import Settings
from ipi_es.serve.callers.callers import Callers


@dataclass(frozen=True, slots=True)
class Services:
    """The settings, the jobs by their id, and the callers of one server."""

    settings: Settings
    jobs: Mapping[str, Job]
    callers: Callers
    clock: Callable[[], int]
    """Returns the present time, epoch seconds."""
    product_header: bool = False
    """Answer with ``X-elastic-product``, without which Elastic's clients accept no answer."""
