"""What an alert definition is made with: a job's names and spans, and what a person chooses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ipi_es.alerts.kinds import SCORED, TITLES, Kind
from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.results.words import ALIAS, SCORE_FIELDS
from ipi_es.scoring.probability import Severity
from ipi_es.times import SECONDS, format_span

MARGIN = 60
"""Seconds before the scheduled time at which a window ends: what was written by then can be searched."""

INTERVALS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
"""Minutes between two looks: divisors of an hour, so that a cron expression gives windows of one length."""

LOOK_BACK = 6 * 60
"""Minutes that a Kibana rule looks back: it has no scheduled time, and its alerts are told apart by their groups. As
long as Kibana may be away, for an upgrade say, without an alert being missed; a group stays active for as long."""

MOST = 1_000
"""Alerts of one look; Kibana's own limit."""

OURS = (ALIAS, "ipi-es-state", "ipi-es-snapshots")
"""What the names of our own indices begin with: alerts among the results would be read as results."""

OVERVIEW = "/app/dashboards#/view/ipi-es-overview"
"""Where the dashboard lies below the address of Kibana or of OpenSearch Dashboards."""


_START = "{{worst.hits.hits.0.fields.timestamp.0}}"
AROUND_BUCKET = f"?_g=(time:(from:'{_START}%7C%7C-12h',to:'{_START}%7C%7C%2B12h'))"
"""Behind the dashboard's address in a monitor's message: half a day before and after the bucket that it is about."""

LAST_DAY = "?_g=(time:(from:now-24h,to:now))"
"""The same in a Kibana rule's, which has no time that a link could take."""

_INDEX = re.compile(r"[^\s\"*\\<|,>/?#:A-Z_+.-][^\s\"*\\<|,>/?#:A-Z]{0,254}")
"""What the name of one index looks like, of those that aren't hidden."""


def check_index(name: str) -> None:
    """UsageError for the name of an index that can't be written to, or that holds what ipi-es itself writes."""
    if not _INDEX.fullmatch(name):
        raise UsageError(
            f"“{name}” can't be the name of an index",
            hint="small letters, digits, - and _, such as ipi-es-alerts",
        )
    if name.startswith(OURS):
        raise UsageError(f"“{name}” belongs to what ipi-es itself writes", hint="take another, such as ipi-es-alerts")


@dataclass(frozen=True, slots=True)
class ConsoleDestination:
    """Where alerts go; what is left out isn't in the definition. Connectors and channels are the console's ids."""

    webhook: str | None = None
    """URL that gets JSON."""
    index: str | None = None
    """Index that gets documents."""
    channel: str | None = None
    """A notification channel that somebody made in OpenSearch (mail, Slack, …): its messages are for people."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a person may choose. ``threshold`` is a score, 0–100; ``interval`` in minutes, ``max_age`` in seconds."""

    job: Job
    threshold: float = 75.0
    score_field: str | None = None
    """Default: the kind's score as ``score`` says."""
    score: Literal["initial", "current"] = "initial"
    """``initial``: the score when it was written, so that a renormalization neither fires nor hides."""
    destination: ConsoleDestination = ConsoleDestination()
    console: str = ""
    """Address of Kibana or OpenSearch Dashboards, for links; empty: there are none."""
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
        """The score's field; None: the kind has no score. UsageError for a field that it doesn't have."""
        if kind not in SCORED:
            return None
        score = SCORE_FIELDS[SCORED[kind]]
        allowed = (f"initial_{score}", score)
        if self.score_field is not None and self.score_field not in allowed:
            raise UsageError(f"{kind} have no {self.score_field}", hint=f"take {' or '.join(allowed)}")
        return self.score_field or (allowed[0] if self.score == "initial" else score)

    @property
    def place(self) -> str:
        """What the ids of Kibana's rules and connectors are made of: they are unique over all its spaces."""
        inside = "" if self.space in (None, "", "default") else f"{self.space}/"
        return f"{inside}{self.job.job_id}"

    def silence(self) -> int:
        """Seconds without any new bucket after which something is wrong: as long as a job may lag, and one look."""
        return (self.job.max_lag + 1) * self.job.bucket_span + self.job.query_delay + self.job.frequency

    def values(self, kind: Kind) -> dict[str, Any]:
        """What the placeholders of a template stand for; None: what names it is left out."""
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
            "severity_scale": ", ".join(f"{level} from {level.threshold}" for level in reversed(Severity) if level),
            "dashboard": self.console.rstrip("/") + OVERVIEW if self.console else "",
            "around_bucket": AROUND_BUCKET if self.console else "",
            "last_day": LAST_DAY if self.console else "",
            "webhook": self.destination.webhook,
            "index": self.destination.index,
            "channel": self.destination.channel,
        }


def _severity_of_score() -> str:
    """Painless that names the severity of a variable ``score``: `score >= 75 ? 'critical' : … : 'warning'`."""
    named = "".join(f"score >= {level.threshold} ? '{level}' : " for level in reversed(Severity) if level)
    return f"{named}'{Severity.WARNING}'"
