"""The stores of one job, and the clock for what is written."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.results.store import ResultStore
from ipi_es.state.blobs import BlobStore
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.state.job_state import StateStore
from ipi_es.state.quantiles_store import QuantilesStore
from ipi_es.state.rule_store import RuleStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.worker.clock import Clock


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one job. Reading needs no lease; writes that need the lease go through a FencedWriter."""

    results: ResultStore
    states: StateStore
    quantiles: QuantilesStore
    verdicts: VerdictStore
    rules: RuleStore
    calendars: CalendarStore
    blobs: BlobStore
    clock: Clock
