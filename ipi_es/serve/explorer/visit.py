"""One request for a page: the caller, the time, the job that it names, and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipi_es.config.job_config import Job
from ipi_es.datafeed.searches.folded_fields import with_folded_fields
from ipi_es.errors import RequestInvalid, UsageError
from ipi_es.pages.text import TimeShown
from ipi_es.results.reading.incident_list import DEEPEST
from ipi_es.serve.explorer.links import Links
from ipi_es.state.fields import LATEST
from ipi_es.times import parse_time
from ipi_es.worker.job_resources import JobResources

if TYPE_CHECKING:
    from starlette.requests import Request

    from ipi_es.cluster.port import Cluster
    from ipi_es.serve.callers.caller import Caller
    from ipi_es.serve.explorer.histories import Histories
    from ipi_es.serve.services import Services

SHOWN = TimeShown()
"""How times are shown: in UTC, which all who read a ticket have in common."""


def missing(message: str, hint: str) -> RequestInvalid:
    """Return the error for an address that has no page."""
    return RequestInvalid(message, hint=hint, status=404, kind="resource_not_found_exception")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end), epoch seconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. Reads with the rights of its caller."""

    services: Services
    request: Request
    caller: Caller
    now: int
    """Epoch seconds."""
    csrf: str
    """The token that the page's forms send back."""
    form: Mapping[str, str]
    """The fields of the form that was sent."""
    histories: Histories
    """Those that the server has read already."""
    session: bool = False
    """Whether the caller signed in here."""

    @property
    def links(self) -> Links:
        """The addresses of pages."""
        return Links(self.request.scope.get("root_path", ""))

    @property
    def cluster(self) -> Cluster:
        """The cluster, with the caller's rights."""
        return self.caller.cluster

    @property
    def job(self) -> Job:
        """The job that the path names. Raises RequestInvalid (404) where it isn't one of the server's."""
        job_id = str(self.request.path_params["job"])
        job = self.services.jobs.get(job_id)
        if job is None:
            raise missing("this server has no such job", hint="the list of jobs names those that it has")
        return job

    def named(self, what: str) -> str:
        """Return a name that the path holds."""
        return str(self.request.path_params[what])

    def folded_job(self) -> Job:
        """Return the job as it spells typed names."""
        return with_folded_fields(self.cluster, self.job, self.now)

    def resources(self) -> JobResources:
        """Return the job's stores, to read from."""
        return JobResources(self.cluster, self.job, snapshots=self.snapshots, clock=_Moment(self.now))

    @property
    def snapshots(self) -> Path | None:
        """The directory of snapshots; None: the cluster."""
        return self.services.settings.snapshots.directory

    @property
    def parameters(self) -> Mapping[str, str]:
        """The query parameters, the last of each name."""
        return self.request.query_params

    def time(self, name: str) -> int | None:
        """Return a time among the parameters, epoch seconds. Raises UsageError for a text that is none."""
        text = self.parameters.get(name, "").strip()
        return parse_time(text, now=self.now) if text else None

    def page(self, size: int, name: str = "page") -> int:
        """Return the number of a page of ``size`` entries among the parameters, from 1.

        Raises UsageError for another text, and for a page that no search reaches.
        """
        text = self.parameters.get(name, "").strip() or "1"
        last = DEEPEST // size
        if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= last):
            hint = f"pages are 1 to {last:,}; choose a shorter time"
            raise UsageError(f"“{text[:100]}” is no number of a page", hint=hint)
        return int(text)

    def range(self, newest: int | None, length: int) -> TimeRange:
        """Return the range of the parameters ``start`` and ``end``, by default the last ``length`` seconds.

        ``newest``: the end of the newest result, epoch seconds. Raises UsageError for an empty range.
        """
        start, end = self.time("start"), self.time("end")
        if end is None:
            end = max(self.now if newest is None else newest, (start or 0) + 1)
        if start is None:
            start = max(end - length, 0)
        if end <= start:
            raise UsageError("the end is not after the start", hint="times are [start, end), such as now-7d and now")
        if start < 0 or end > LATEST:
            raise UsageError("results have times of the years 1970 to 2099", hint="write a time such as now-7d")
        return TimeRange(start, end)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A clock that always gives the time of the request."""

    seconds: int

    def now(self) -> int:
        """Return the time of the request, epoch seconds."""
        return self.seconds


def pages_around(
    number: int, size: int, total: int, address: Callable[[int], str | None]
) -> tuple[str | None, str | None]:
    """Return the addresses of the pages before and after a page of ``size`` of ``total`` entries; None: there is none.

    ``address`` returns that of the page with a number.
    """
    more = min(total, DEEPEST) > number * size
    return address(number - 1) if number > 1 else None, address(number + 1) if more else None
