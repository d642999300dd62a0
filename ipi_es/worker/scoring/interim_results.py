"""Interim results: the results so far of the current bucket. They have ``is_interim`` and don't change the job's state.

They are written under the ids that the final results will have, with the version of the last batch: the next batch
overwrites them, and deletes those that it doesn't produce again.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.scoring.batch import quantiles_id_of


def write_interim(session: JobSession, now: int) -> int:
    """Write the bucket at the checkpoint as of ``now``, epoch seconds; return the number of documents.

    0 if no tick falls within a bucket (the job's frequency is not below its span), if the job lags or its clock was set
    back, and if nothing has changed since the last time. Raises LostJob if another worker took the job over.
    """
    job, state = session.resources.job, session.state
    if job.frequency >= job.bucket_span or state.checkpoint is None or state.snapshot_id is None:
        return 0
    start, end = state.checkpoint, state.checkpoint + job.bucket_span
    if not start < now < end + job.query_delay or not _changed(session, start, end):
        return 0
    documents = _scored_so_far(session, start, end)
    session.scoring.mark_interim()
    # deletion first: after a kill in between, vanished results would remain beside a bucket that looks up to date
    session.writer.drop_vanished(start, end, {each.id for each in documents})
    return session.writer.write(documents)


def _changed(session: JobSession, start: int, end: int) -> bool:
    """Decide whether the bucket's interim results are missing or out of date."""
    job, results = session.resources.job, session.resources.stores.results
    results.show()
    stored = results.read("bucket", ResultFilter(start, end), size=1)
    if stored and not stored[0].source["is_interim"]:
        return False  # final, from an earlier run: it is better than an interim one, and will be scored again
    events = session.resources.feed.event_counts(start, end, job.bucket_span).get(start, 0)
    if not stored:
        return events > 0
    source = stored[0].source
    return (source["event_count"], source["snapshot_id"]) != (events, session.state.snapshot_id)


def _scored_so_far(session: JobSession, start: int, end: int) -> list[ResultDocument]:
    """Return the documents of [start, end), scored without changing the state."""
    pipeline, state = session.loaded_scoring().pipeline, session.state
    with closing(session.resources.read(start, end)) as reading:
        bucket = next(reading)
    began = time.perf_counter()
    scored = replace(pipeline.scorer, holds=pipeline.scorer.holds.copy()).score_detached(bucket)
    took = round((time.perf_counter() - began) * 1_000)
    quantiles_id = state.quantiles_id or quantiles_id_of(start)
    stamp = Stamp(state.trained.snapshot_id, quantiles_id, session.resources.stores.clock.now(), is_interim=True)
    return pipeline.describer.documents(scored, stamp, processing_time_ms=took)
