"""Render findings as one HTML page without scripts, fonts or pictures from elsewhere; its security policy forbids them.

All text from outside (names, addresses, annotations, the job's description) is escaped by Jinja; nothing is marked as
safe.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from jinja2 import Template

import ipi_es
from ipi_es.pages.environment import environment
from ipi_es.pages.lanes import GAPS_NAMED, LANE_HEIGHT, Axis, Lane, axis_of, event_series, gaps_of, lane_of, ticks_of
from ipi_es.pages.text import TimeShown, counted, severity_name, severity_range
from ipi_es.report.entries import cards_of, incident_cards, leading_of
from ipi_es.report.learned import JobKnowledge
from ipi_es.report.report_findings import MAX_RECORDS, Findings
from ipi_es.results.documents.visible import visible
from ipi_es.results.words import is_settled
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.scoring.probability import Severity
from ipi_es.times import format_span, from_ms

_UTC = TimeShown()


def page(found: Findings, learned: JobKnowledge, *, made_at: int, shown: TimeShown = _UTC) -> str:
    """Return the page. ``made_at`` in epoch seconds; the same arguments give the same text."""
    axis = axis_of(found.start, found.end, found.job.bucket_span)
    job = found.job
    entities, addresses = (
        leading_of(found.influencers, name, axis, shown) for name in (job.entity_field, job.ip_field)
    )
    cards, omitted = cards_of(found.records, [*entities, *addresses], job.job_id, shown)
    links: dict[str, str] = {}
    for card in cards:
        for name in (card.entity, card.ip):
            links.setdefault(name, card.id)
    return _template().render(
        job=job,
        version=ipi_es.__version__,
        found=found,
        learned=learned,
        made_at=shown.at(made_at),
        begin=shown.at(found.start),
        end=shown.at(found.end),
        range_arguments=f"--start {_UTC.iso(found.start)[:16]}Z --end {_UTC.iso(found.end)[:16]}Z",
        axis=axis,
        ticks=ticks_of(axis, shown),
        span=format_span(axis.step),
        lane_height=LANE_HEIGHT,
        total=_bucket_lane(found, axis, shown),
        entities=entities,
        addresses=addresses,
        links=links,
        gaps=gaps_of(found.buckets, axis, shown),
        gaps_named=GAPS_NAMED,
        series=event_series(found.buckets, axis),
        incidents=incident_cards(found.incidents, shown),
        incident_count=len(found.incidents),
        cards=cards,
        omitted=omitted,
        complete=len(found.records) < MAX_RECORDS,
        glance=_glance(found),
        when_written=_when_written(found),
        annotations=_annotations(found, shown),
        snapshots=sorted({str(each["snapshot_id"]) for each in found.buckets}),
        young_days=YOUNG_DAYS,
        severities=[(str(level), severity_range(level), int(level) + 1) for level in reversed(Severity)],
        shown=shown,
    )


def _bucket_lane(found: Findings, axis: Axis, shown: TimeShown) -> Lane:
    points = [
        (from_ms(each["timestamp"]), 0.0 if is_settled(each) else float(each["anomaly_score"]))
        for each in found.buckets
    ]
    return lane_of("All", points, axis, shown)


def _glance(found: Findings) -> list[tuple[str, str, str]]:
    """Return (figure, label, severity for its colour or ""), by present scores."""
    buckets = Counter(severity_name(float(each["anomaly_score"])) for each in found.counted_buckets)
    entities, addresses = _critical_names(found, "influencer_score")
    return [
        (f"{buckets['critical']:,}", "critical buckets", "critical" if buckets["critical"] else ""),
        (f"{buckets['major']:,}", "major buckets", "major" if buckets["major"] else ""),
        (f"{entities:,}", f"critical {found.job.entity_field} values", "critical" if entities else ""),
        (f"{addresses:,}", f"critical {found.job.ip_field} values", "critical" if addresses else ""),
        (f"{found.event_count:,}", f"events in {counted(len(found.buckets), 'bucket')}", ""),
        (f"{found.record_count:,}", "unusual pairs recorded", ""),
    ]


def _critical_names(found: Findings, field: str) -> tuple[int, int]:
    """Count the entities, and the addresses, with a critical influencer by the score ``field``."""
    names: dict[str, set[str]] = {found.job.entity_field: set(), found.job.ip_field: set()}
    for each in found.influencers:
        critical = float(each[field]) >= Severity.CRITICAL.threshold
        if critical and not is_settled(each) and each["influencer_field_name"] in names:
            names[each["influencer_field_name"]].add(str(each["influencer_field_value"]))
    return len(names[found.job.entity_field]), len(names[found.job.ip_field])


def _when_written(found: Findings) -> str:
    """Say what was critical by the initial scores, which alerts use."""
    buckets = sum(float(each["initial_anomaly_score"]) >= Severity.CRITICAL.threshold for each in found.counted_buckets)
    entities, addresses = _critical_names(found, "initial_influencer_score")
    return (
        f"Scores are those of now, after renormalization. By the initial ones, which alerts go by, "
        f"{counted(buckets, 'bucket')} and, of the names that score at least 1 now, "
        f"{counted(entities, f'{found.job.entity_field} value')} and "
        f"{counted(addresses, f'{found.job.ip_field} value')} were critical."
    )


def _annotations(found: Findings, shown: TimeShown) -> list[dict[str, str]]:
    return [
        {
            "begin": shown.at(from_ms(each["timestamp"])),
            "end": shown.at(from_ms(each["end_timestamp"])),
            "kind": str(each["annotation_type"]).replace("_", " ").replace("model snapshot", "training"),
            "text": visible(each["annotation"]),
        }
        for each in found.annotations
    ]


@lru_cache(maxsize=1)
def _template() -> Template:
    return environment("ipi_es.report").get_template("report.html")
