"""The list of a job's records: also the mild ones, repeats, and what raises no alarm."""

from __future__ import annotations

from starlette.responses import Response

from ipi_es.errors import UsageError
from ipi_es.results.reading.record_list import LEFT_OUT, RecordFilter, read_records
from ipi_es.serve.explorer.choices import search_of
from ipi_es.serve.explorer.rendering import page
from ipi_es.serve.explorer.result_entries import entries_of
from ipi_es.serve.explorer.views.job_page import DEFAULT
from ipi_es.serve.explorer.visit import Visit, pages_around
from ipi_es.worker.results_there import newest_result

PAGE = 50
"""Records on a page."""

LEVELS = {"any": 0.0, "warning": 1.0, "minor": 25.0, "major": 50.0, "critical": 75.0}
"""Severity → the lowest present score of it; ``any``: also what is below 1."""


def results_page(visit: Visit) -> Response:
    """Return the page."""
    job = visit.job
    newest, note = newest_result(visit.cluster, job, visit.snapshots)
    time, search, number = visit.range(newest, DEFAULT), search_of(visit), visit.page(PAGE)
    severity = visit.parameters.get("severity", "") or "warning"
    shown = [each for each in visit.request.query_params.getlist("with") if each]
    if severity not in LEVELS:
        raise UsageError(f"“{severity}” is no severity of results", hint=f"say one of {', '.join(LEVELS)}")
    wrong = [each for each in shown if each not in LEFT_OUT]
    if wrong:
        raise UsageError(f"“{wrong[0]}” chooses no results", hint=f"say some of {', '.join(LEFT_OUT)}")
    where = RecordFilter(
        time.start,
        time.end,
        min_score=LEVELS[severity],
        entity=None if search is None else search.entity,
        ip=None if search is None else search.address,
        network=None if search is None or search.network is None else search.network.query(job),
        shown=frozenset(shown),
    )
    rows, total = read_records(visit.cluster, job.job_id, where, first=(number - 1) * PAGE, size=PAGE)
    kept = {name: visit.parameters.get(name) for name in ("start", "end", "search", "network", "severity")} | {
        "with": shown
    }

    def at(page_number: int) -> str:
        return visit.links.results(job.job_id, **kept, page=page_number)

    return page(
        visit,
        "results.html",
        job=job,
        time=time,
        newest=newest,
        notes=[] if note is None else [note],
        search=search,
        severity=severity,
        levels=list(LEVELS),
        kinds=[(each, each in shown) for each in LEFT_OUT],
        results=entries_of(rows, job, visit.links),
        total=total,
        first=(number - 1) * PAGE,
        pages=pages_around(number, PAGE, total, at),
    )
