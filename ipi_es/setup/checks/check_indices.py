"""Judge indices: events that aren't read, documents that no time range finds, results that don't fit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.config.job_config import Job
from ipi_es.errors import DataError, NotFound, UsageError
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, percent, problem, warning
from ipi_es.setup.facts.facts_events import Timeless
from ipi_es.setup.facts.facts_indices import Clash, UnreadIndex

TIMELESS_WARNED = 0.001
"""Share of documents without the time field above which a warning is given; every log has a few malformed ones."""

TIMELESS_WRONG = 0.01
"""Share from which it is a problem: the job doesn't see the events that it should."""


def judge_unread(unread: Sequence[UnreadIndex]) -> list[Finding]:
    """Judge unread indices: a problem if the job names them, a warning for closed ones behind a pattern or an alias."""
    found = []
    for why in ("missing", "closed"):
        names = [each.name for each in unread if each.named and each.why == why]
        if names:
            found.append(problem("indices", NotFound(_named(names, why), hint=_hint(names, why))))
    closed = [each.name for each in unread if not each.named]
    if closed:
        text = (
            f"{len(closed)} closed {'index' if len(closed) == 1 else 'indices'} behind datafeed_config.indices "
            f"can't be read: {some(closed)}"
        )
        hint = (
            f"POST {closed[0]}/_open opens one; if it is closed because it is old, nothing needs to be done, and a "
            "training or backfill reaches back only to the indices that are open"
        )
        found.append(warning("indices", text, hint))
    return found


def _named(names: Sequence[str], why: str) -> str:
    one = len(names) == 1
    return (
        f"{some(names)} {'is' if one else 'are'} {why}, though datafeed_config.indices names "
        f"{'it' if one else 'them'}: nothing is read from {'it' if one else 'them'}, and no command fails for that"
    )


def _hint(names: Sequence[str], why: str) -> str:
    if why == "closed":
        return f"POST {names[0]}/_open opens it; or take it out of datafeed_config.indices"
    return "correct the name in datafeed_config.indices, or take it out; `GET _cat/indices` lists what is there"


def judge_timeless(job: Job, timeless: Timeless) -> list[Finding]:
    """Judge the documents that match the query but lack the time field; the message lists them by index."""
    if timeless.documents <= timeless.of * TIMELESS_WARNED:
        return []
    where = [f"{percent(count, of)} of {name}" for name, (count, of) in timeless.indices.items()]
    text = (
        f"{percent(timeless.documents, timeless.of)} of the {timeless.of:,} documents that match the query lack "
        f"{job.time_field} and can never be read ({some(where)})"
    )
    hint = (
        "let the shipper or an ingest pipeline set it; if these documents have another time, name that in "
        "data_description.time_field; if they are no sign-ins, let the query leave them out"
    )
    if timeless.documents < timeless.of * TIMELESS_WRONG:
        return [warning("time field", text, hint)]
    return [problem("time field", DataError(text, hint=hint))]


def judge_clashes(job: Job, clashes: Sequence[Clash]) -> list[Finding]:
    """Report a problem if a result index has a conflicting field; otherwise it would appear at the first result."""
    if not clashes:
        return []
    first = clashes[0]
    indices = list(dict.fromkeys(each.index for each in clashes))
    text = (
        f"the results of job {job.job_id} don't fit into {some(indices)}, where another job has a field in the way of "
        f"{first.field}: {first.reason}"
    )
    own = job.job_id if job.results_index_name != job.job_id else f"{job.job_id}-2"
    hint = f"give the job a result index of its own: `results_index_name: {own}`"
    return [problem("results", UsageError(text, hint=hint))]
