"""Parameters of an alert definition: a job's names and spans, and the user's choices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ipi_es.alerts.kinds import SCORED, TITLES, Kind
from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.results.words import ALIAS, INCIDENT_SCORE, SCORE_FIELDS
from ipi_es.scoring.probability import Severity
from ipi_es.times import SECONDS, format_span

MARGIN = 60
"""Seconds before the scheduled time at which a window ends: results written by then can be searched."""

INTERVALS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
"""Minutes between two runs: divisors of an hour, so that a cron expression gives windows of equal length."""

LOOK_BACK = 6 * 60
"""Minutes that a Kibana rule looks back: it has no scheduled time, and groups distinguish its alerts. Kibana may be
down for as long, for example during an upgrade, and no alert is missed; a group also stays active for as long."""

MOST = 1_000
"""The most alerts of one run; Kibana's own limit."""

OURS = (ALIAS, "ipi-es-state", "ipi-es-snapshots")
"""Prefixes of ipi-es's own indices: alerts written there would be read as results."""

DASHBOARDS = "/app/dashboards#/view/"
"""Path of the dashboards below the address of Kibana or OpenSearch Dashboards."""

_INDEX = re.compile(r"[^\s\"*\\<|,>/?#:A-Z_+.-][^\s\"*\\<|,>/?#:A-Z]{0,254}")
"""The name of a single index that isn't hidden."""


def check_index(name: str) -> None:
    """Raise UsageError for an invalid index name, or the name of one of ipi-es's own indices."""
    if not _INDEX.fullmatch(name):
        raise UsageError(
            f"“{name}” can't be the name of an index",
            hint="small notifications, digits, - and _, such as ipi-es-alerts",
        )
    if name.startswith(OURS):
        raise UsageError(f"“{name}” belongs to what ipi-es itself writes", hint="take another, such as ipi-es-alerts")


@dataclass(frozen=True, slots=True)
class ConsoleDestination:
    """Destinations of alerts; one that is None has no action in the definition. ``channel`` is the console's id."""

    webhook: str | None = None
    """URL that receives JSON."""
    index: str | None = None
    """Index that receives documents."""
    channel: str | None = None
    """An existing notification channel of OpenSearch (mail, Slack, …): its messages are for people."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Choices for a job's alerts. ``threshold`` is a score, 0–100; ``interval`` in minutes, ``max_age`` in seconds."""

    job: Job
    threshold: float = 75.0
    score_field: str | None = None
    """None: the score of the kind of alert that ``score`` selects."""
    score: Literal["initial", "current"] = "initial"
    """``initial``: the score at the time of writing, so that a renormalization neither raises nor hides an alert."""
    destination: ConsoleDestination = ConsoleDestination()
    console: str = ""
    """Address of Kibana or OpenSearch Dashboards, for links; empty: no links."""
    space: str | None = None
    """Kibana's space; None is the default one."""
    interval: int = 5
    max_age: int = 7 * SECONDS["d"]

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 100.0:
            raise UsageError(f"a threshold of {self.threshold:g} is no score", hint="scores are 0 to 100")
        if self.interval not in INTERVALS:
            raise UsageError(
                f"alerts can't look every {self.interval} minutes",
                hint=f"take one of {', '.join(map(str, INTERVALS))}: windows have to meet at full hours",
            )

    def field(self, kind: Kind) -> str | None:
        """Return the score's field; None if the kind has no score. Raises UsageError for a field of another kind."""
        if kind == "incidents":
            allowed: tuple[str, ...] = (INCIDENT_SCORE,)  # of initial scores: a renormalization doesn't change it
        elif kind in SCORED:
            allowed = (f"initial_{SCORE_FIELDS[SCORED[kind]]}", SCORE_FIELDS[SCORED[kind]])
        else:
            return None
        if self.score_field is not None and self.score_field not in allowed:
            raise UsageError(f"{kind} have no {self.score_field}", hint=f"take {' or '.join(allowed)}")
        return self.score_field or (allowed[0] if self.score == "initial" else allowed[-1])

    @property
    def place(self) -> str:
        """Space and job id, from which the ids of Kibana's rules and connectors are made, unique over all spaces."""
        inside = "" if self.space in (None, "", "default") else f"{self.space}/"
        return f"{inside}{self.job.job_id}"

    @property
    def _dashboards(self) -> str:
        """Start of a dashboard's URL, before its id; empty without a console."""
        return f"{self.console.rstrip('/')}{DASHBOARDS}" if self.console else ""

    def _bucket_link(self) -> str:
        """Return the link of a Kibana rule's message, to the bucket: Mustache there can't escape an entity's name."""
        if not self.console:
            return ""
        query = f"job_id:%22{self.job.job_id}%22%20and%20timestamp:{{{{context.hits.0._source.timestamp}}}}"
        time = f"_g=(time:(from:now-{self.max_age}s,to:now))"
        return f"{self._dashboards}ipi-es-overview?{time}&_a=(query:(language:kuery,query:'{query}'))"

    def _least_severity(self) -> str | None:
        """Return the severity of every alert of a Kibana rule, which can't compute it; None if there are several."""
        return str(Severity.CRITICAL) if self.threshold >= Severity.CRITICAL.threshold else None

    def silence(self) -> int:
        """Return after how many seconds without a new bucket to alert: as long as a job may lag, plus one tick."""
        return (self.job.max_lag + 1) * self.job.bucket_span + self.job.query_delay + self.job.frequency

    def values(self, kind: Kind) -> dict[str, Any]:
        """Return the values of a template's placeholders; a None destination leaves out the action that names it."""
        window = self.interval * 60
        return {
            "name": f"ipi-es {self.job.job_id}: {TITLES[kind]}",
            "job_id": self.job.job_id,
            "ip_field": self.job.ip_field,
            "score_field": self.field(kind),
            "threshold": self.threshold,
            "interval": self.interval,
            "cron": f"0 0/{self.interval} * * * ?",
            "window_start": f"{MARGIN + window}s",
            "window_end": f"{MARGIN}s",
            "look_back": LOOK_BACK,
            "max_age": f"{self.max_age}s",
            "silence_start": f"{MARGIN + self.silence()}s",
            "silence_before": f"{MARGIN + self.silence() + window}s",
            "silence_minutes": -(-(MARGIN + self.silence()) // 60),
            "silence_text": format_span(self.silence()),
            "most": MOST,
            "severity_of_score": _severity_of_score(),
            "severity": self._least_severity(),
            "dashboards": self._dashboards,
            "jobs_link": f"{self._dashboards}ipi-es-jobs?_g=(time:(from:now-24h,to:now))" if self.console else "",
            "bucket_link": self._bucket_link(),
            "webhook": self.destination.webhook,
            "index": self.destination.index,
            "channel": self.destination.channel,
        }


def _severity_of_score() -> str:
    """Return a Painless expression for the severity of ``score``: `score >= 75 ? 'critical' : … : 'warning'`."""
    named = "".join(f"score >= {level.threshold} ? '{level}' : " for level in reversed(Severity) if level)
    return f"{named}'{Severity.WARNING}'"
