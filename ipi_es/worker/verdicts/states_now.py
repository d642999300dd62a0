"""The states that incidents have by the verdicts of now, before a worker has marked results with these."""

from __future__ import annotations

from collections.abc import Callable

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.documents.verdict_marks import verdicts_of
from ipi_es.results.reading.incident_grouping import state_of
from ipi_es.results.reading.incident_list import of_results, results_there
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import VERDICT
from ipi_es.state.job_state import JobState
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.worker.verdicts.known_verdicts import CLOCKS_APART, KnownVerdicts
from ipi_es.worker.verdicts.result_marks import starts_to_mark, unmarked


def states_now(cluster: Cluster, spelled: Callable[[], Job], state: JobState, now: int) -> dict[str, str]:
    """Return ``{incident's id: its state}`` of the incidents with results whose marks lag behind the verdicts.

    ``spelled`` gives the job as it spells typed names; ``now`` is in epoch seconds. Usually empty: a worker marks
    results at its next run.
    """
    stored = VerdictStore(cluster, state.job_id).all()
    changed = unmarked(stored, state.details)
    if not changed:
        return {}
    job = spelled()
    known = KnownVerdicts.of(job, stored.verdicts, now + CLOCKS_APART)
    results, marks = ResultReader(cluster, job.job_id), dict[str, str | None]()
    for start in starts_to_mark(results, job, known, changed):
        found = [(each.id, each.source) for each in results.scan_window(start, start + 1)]
        marks |= verdicts_of(found, known.mark, known.given_on)
    incidents = of_results(cluster, job.job_id, sorted(marks))
    others = sorted({place for each in incidents.values() for place in each["results"]} - marks.keys())
    marks |= {each.id: each.source.get(VERDICT) for each in results_there(cluster, others, [VERDICT])}
    return {
        place: state_of(marks.get(result) for result in each["results"]) for place, each in sorted(incidents.items())
    }
