"""Links from the worker's messages to the explorer, or to a dashboard that shows the time and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from ipi_es.alerts.kinds import Kind
from ipi_es.alerts.parameters import DASHBOARDS
from ipi_es.config.job_config import Job
from ipi_es.times import iso

LONGEST_NAME = 2_000
"""Bytes of a quoted name in a link to the explorer."""

_SAFE = "!'()*:,"
"""Characters of RISON that a URL may contain."""


HALF_DAY = 43_200
"""Seconds before and after a finding that the explorer's pages of a link show."""


def finding_link(
    job: Job,
    when: int,
    entities: Sequence[str],
    addresses: Sequence[str],
    *,
    kind: Kind,
    incident: str | None = None,
) -> str:
    """Return a link to the finding: in the explorer where the job names it, else in the console; empty without both.

    ``incident`` is the id of the incident, ``when`` in epoch seconds.
    """
    root = job.alerts.explorer
    if root is None:
        return link(job, when, entities, addresses, kind=kind)
    time = f"start={iso(max(when - HALF_DAY, 0))}&end={iso(when + HALF_DAY)}"
    page = f"{root}/jobs/{job.job_id}"
    if incident is not None:
        return f"{page}/incidents/{quote(incident, safe='')}"
    if kind != "buckets" and len(entities) == 1 and _fits(entities[0]):
        return f"{page}/entities/{quote(entities[0], safe='', errors='replace')}?{time}"
    if kind == "influencers" and len(addresses) == 1:
        return f"{page}/addresses/{quote(addresses[0], safe='')}?{time}"
    return f"{page}?{time}"


def _fits(name: str) -> bool:
    """Return whether the explorer has a page of a name: a long one has none, nor one with dots for folders."""
    parts = name.replace("\\", "/").split("/")
    return 0 < len(quote(name, safe="", errors="replace")) <= LONGEST_NAME and not {".", ".."} & set(parts)


def link(job: Job, when: int, entities: Sequence[str], addresses: Sequence[str], *, kind: Kind) -> str:
    """Return a link to the console, half a day before and after ``when`` (epoch seconds); empty without a console.

    It leads to the entity or address if the finding is of a single one, else to all that the job found.
    """
    if kind != "buckets" and len(entities) == 1:
        return _link(job, "ipi-es-entity", when, _phrase("partition_field_value", entities[0]))
    if kind == "influencers" and len(addresses) == 1:
        fields = ("by_field_value", "influencer_field_value")
        either = " or ".join(_phrase(field, addresses[0]) for field in fields)
        return _link(job, "ipi-es-overview", when, f"({either})")
    return _link(job, "ipi-es-overview", when)


def blind_link(job: Job, when: int) -> str:
    """Return a link to the dashboard of the jobs' own state; empty without a console."""
    return _link(job, "ipi-es-jobs", when)


def _link(job: Job, dashboard: str, when: int, query: str = "") -> str:
    if job.alerts.console is None:
        return ""
    moment, of_job = iso(when), _phrase("job_id", job.job_id)
    asked = (f"{of_job} and {query}" if query else of_job).replace("!", "!!").replace("'", "!'")
    time = f"time:(from:'{moment}%7C%7C-12h',to:'{moment}%7C%7C%2B12h')"
    state = f"_g=({time})&_a=(query:(language:kuery,query:'{quote(asked, safe=_SAFE)}'))"
    return f"{job.alerts.console}{DASHBOARDS}{dashboard}?{state}"


def _phrase(field: str, value: str) -> str:
    """Return a clause of KQL: the field has exactly this value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:"{escaped}"'
