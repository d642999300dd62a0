"""Links from the worker's messages to a dashboard that shows the time and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from ipi_es.alerts.kinds import Kind
from ipi_es.alerts.parameters import DASHBOARDS
from ipi_es.config.job_config import Job
from ipi_es.times import iso

_SAFE = "!'()*:,"
"""Characters of RISON that a URL may contain."""


def link(job: Job, when: int, entities: Sequence[str], addresses: Sequence[str], *, kind: Kind) -> str:
    """Return a link to the finding, half a day before and after ``when`` (epoch seconds); empty without a console.

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
