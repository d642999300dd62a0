"""Fit the training of a suggested job to a log with few sign-ins."""

from __future__ import annotations

import re
from dataclasses import replace

from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_job
from ipi_es.config.files.yaml_documents import parse_yaml
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.setup.facts.facts_events import event_facts, teaching
from ipi_es.setup.suggestions.draft import MOST_WINDOW
from ipi_es.setup.suggestions.suggestion import Suggestion
from ipi_es.times import SECONDS, format_span

MANY = 10
"""Times ``training.min_events``: a log with so many events is not counted page by page."""

LEAST = 100
"""Unique sign-ins from which a training is suggested at all. Half of them must suffice: the newest days are scored."""

_TRAINING = re.compile(r"^training:\n(?:[ \t].*\n?)+", re.MULTILINE)


def fitted(cluster: Cluster, suggestion: Suggestion, now: int) -> Suggestion:
    """Return a suggestion that looks further back, and trains on fewer sign-ins, where the log has few.

    Unique sign-ins are counted for logs with less than :data:`MANY` times ``training.min_events`` events only.
    """
    job, facts = suggestion.job, suggestion.facts
    if not facts.counts.events or facts.counts.events >= MANY * job.training.min_events:
        return suggestion
    if _rows(cluster, job, facts.start, facts.end) is None:
        return suggestion
    days = min(-(-(facts.end - facts.first) // SECONDS["d"]), MOST_WINDOW)
    wider = days * SECONDS["d"] > job.training.window
    start = facts.end - days * SECONDS["d"] if wider else facts.start
    rows = _rows(cluster, job, start, facts.end)
    if rows is not None and rows < LEAST:
        note = f"only {rows:,} sign-ins that teach in {days} days: too few for a training, wait for more"
        return replace(suggestion, notes=(*suggestion.notes, note))
    wanted = {"window": f"{days}d"} if wider else {}
    if rows is None:
        note = f"few sign-ins in {format_span(job.training.window)}"
    else:
        wanted["min_events"] = str(rows // 2)
        note = f"only {rows:,} sign-ins that teach in {days} days, so that probabilities are coarse"
    made = _with(
        suggestion, wanted, f"{note}: {', '.join(f'training.{key} is {value}' for key, value in wanted.items())}"
    )
    return replace(made, facts=event_facts(cluster, made.job, now, count_teaching=False)[0]) if wider else made


def _rows(cluster: Cluster, job: Job, start: int, end: int) -> int | None:
    """Return the unique sign-ins in a range; None where they suffice for a training."""
    found = teaching(Datafeed(cluster, FeedSpec.from_job(job), readers=1), job, AllowList.of(job), start, end)
    return None if found.enough else found.rows


def _with(suggestion: Suggestion, training: dict[str, str], note: str) -> Suggestion:
    """Return the suggestion with further settings of ``training``, and a note."""
    data = parse_yaml(suggestion.text, name=suggestion.job.job_id).data
    settings = {**data.get("training", {}), **training}
    lines = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    text = f"{_TRAINING.sub('', suggestion.text).rstrip()}\n\n# {note}\ntraining:\n{lines}"
    job = check_job(parse_yaml(text, name=suggestion.job.job_id).data, name=suggestion.job.job_id)
    return replace(suggestion, job=job, text=text, notes=(*suggestion.notes, note))
