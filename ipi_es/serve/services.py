"""What every part of the server needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.callers.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Services:
    """The settings, the jobs by their id, and the callers of one server."""

    settings: Settings
    jobs: Mapping[str, Job]
    callers: Callers
    clock: Callable[[], int]
    """Returns the present time, epoch seconds."""
    sessions: Sessions
    """Those of browsers; ``callers`` know them."""
    product_header: bool = False
    """Answer with ``X-elastic-product``, without which Elastic's clients accept no answer."""
