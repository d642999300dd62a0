"""The metrics for Prometheus: one table, whose samples are made from the jobs' reports at each scrape.

The label is ``job_id`` and not ``job``, which Prometheus uses itself. Counters count from the start of the process;
times are seconds. A value that this worker doesn't know (another worker has the job) has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import ipi_es
from ipi_es.cluster.transport.pressure import PRESSURE, REJECTIONS, Pressure
from ipi_es.service.blindness.blind_change import BLIND_STATES
from ipi_es.service.health.health import Fleet
from ipi_es.service.health.job_report import JobActivity, JobReport, NotReadyReason
from ipi_es.worker.clock import Clock

Kind: TypeAlias = Literal["gauge", "counter", "summary"]
Sample: TypeAlias = tuple[tuple[str, ...], float | tuple[int, float]]
"""(values of the labels after ``job_id``, value); a summary's value is (times, seconds)."""
Samples: TypeAlias = Callable[[JobReport, int], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class JobMetric:
    """One metric of a job. A counter's name is written with ``_total``, a summary's with ``_count`` and ``_sum``."""

    name: str
    kind: Kind
    help: str
    samples: Samples
    labels: tuple[str, ...] = ()
    """Labels besides ``job_id``."""


def _one(value: Callable[[JobReport], float | None]) -> Samples:
    def samples(report: JobReport, now: int) -> Iterable[Sample]:  # noqa: ARG001  (the table's signature)
        found = value(report)
        return [] if found is None else [((), float(found))]

    return samples


def _each(values: Callable[[JobReport], Iterable[tuple[str, float]]]) -> Samples:
    def samples(report: JobReport, now: int) -> Iterable[Sample]:  # noqa: ARG001
        return [((name,), float(value)) for name, value in values(report)]

    return samples


def _age(report: JobReport, now: int) -> Iterable[Sample]:
    return [] if report.trained_to is None else [((), float(max(now - report.trained_to, 0)))]


def _steps(report: JobReport, now: int) -> Iterable[Sample]:  # noqa: ARG001
    return [((step,), both) for step, both in report.steps.items()]


JOB_METRICS: tuple[JobMetric, ...] = (
    JobMetric(
        "ipi_es_lag_buckets", "gauge", "Complete buckets that are not scored yet.", _one(lambda r: r.lag_buckets)
    ),
    JobMetric(
        "ipi_es_lag_seconds",
        "gauge",
        "Time since the oldest unscored bucket was complete; 0 if there is none.",
        _one(lambda r: r.lag_seconds),
    ),
    JobMetric(
        "ipi_es_checkpoint_timestamp_seconds",
        "gauge",
        "End of the last bucket that was scored and written.",
        _one(lambda r: r.checkpoint),
    ),
    JobMetric(
        "ipi_es_last_tick_timestamp_seconds",
        "gauge",
        "Time of the job's last tick.",
        _one(lambda r: r.last_tick),
    ),
    JobMetric(
        "ipi_es_events", "counter", "Events read: documents that match the job's query.", _one(lambda r: r.events)
    ),
    JobMetric(
        "ipi_es_events_dropped",
        "counter",
        "Events that can't be scored, by reason; one can have two reasons.",
        _each(lambda r: r.dropped.items()),
        ("reason",),
    ),
    JobMetric(
        "ipi_es_unparsable_share",
        "gauge",
        "Share (0-1) of the events in the last 96 buckets that have no entity, or no valid IP address.",
        _one(lambda r: r.unparsable_share),
    ),
    JobMetric(
        "ipi_es_blind",
        "gauge",
        "1 where the job is blind (no events) or half blind (most of them, or all usable ones, are missing); else 0.",
        _each(lambda r: [(str(each), r.blind is not None and r.blind.state is each) for each in BLIND_STATES]),
        ("state",),
    ),
    JobMetric(
        "ipi_es_buckets",
        "counter",
        "Buckets scored; a bucket that is scored again counts again.",
        _one(lambda r: r.buckets),
    ),
    JobMetric(
        "ipi_es_records", "counter", "Records found, by severity.", _each(lambda r: r.records.items()), ("severity",)
    ),
    JobMetric("ipi_es_step_seconds", "summary", "Time that each step of the work took.", _steps, ("step",)),
    JobMetric(
        "ipi_es_errors",
        "counter",
        "Errors, by kind (docs/troubleshooting.md).",
        _each(lambda r: r.errors.items()),
        ("kind",),
    ),
    JobMetric(
        "ipi_es_alerts_sent",
        "counter",
        "Messages that a destination of alerts.notify accepted.",
        _each(lambda r: r.alerts_sent.items()),
        ("destination",),
    ),
    JobMetric(
        "ipi_es_alerts_refused",
        "counter",
        "Messages that a destination refused; each attempt counts.",
        _each(lambda r: r.alerts_refused.items()),
        ("destination",),
    ),
    JobMetric(
        "ipi_es_alerts_given_up",
        "counter",
        "Alerts that became too old before their destination accepted them.",
        _each(lambda r: r.alerts_given_up.items()),
        ("destination",),
    ),
    JobMetric(
        "ipi_es_alerts_waiting",
        "gauge",
        "Alerts not delivered yet: the destination refuses them, or has reached its limit of messages an hour.",
        _each(lambda r: r.alerts_waiting.items()),
        ("destination",),
    ),
    JobMetric(
        "ipi_es_bulk_rejections",
        "counter",
        "Documents that the cluster rejected: busy (sent again; each attempt counts), or refused finally.",
        _each(lambda r: ((why, r.bulk_rejections[why]) for why in REJECTIONS)),
        ("reason",),
    ),
    JobMetric("ipi_es_trainings", "counter", "Trainings that ended successfully.", _one(lambda r: r.trainings)),
    JobMetric(
        "ipi_es_snapshot_age_seconds",
        "gauge",
        "Age of the newest events that the network in use was trained on.",
        _age,
    ),
    JobMetric(
        "ipi_es_snapshot_discriminator_auc",
        "gauge",
        "ROC-AUC of the last training's network on held-out events against random addresses; 1 is best.",
        _one(lambda r: r.training_metrics.get("discriminator_auc")),
    ),
    JobMetric(
        "ipi_es_lease_held",
        "gauge",
        "1 if this worker did the job's last tick; 0 if another worker, or none, holds the job.",
        _one(lambda r: r.lease_held),
    ),
    JobMetric(
        "ipi_es_job_state",
        "gauge",
        "1 for the job's present state, 0 for the others.",
        _each(lambda r: [(str(each), r.doing is each) for each in JobActivity]),
        ("state",),
    ),
)


class FleetCollector(Collector):
    """Collects the fleet's metrics at each scrape."""

    def __init__(self, fleet: Fleet, clock: Clock, pressure: Pressure = PRESSURE) -> None:
        self._fleet, self._clock, self._pressure = fleet, clock, pressure

    def describe(self) -> Iterable[Metric]:
        """Return no metric, so that registering the collector doesn't collect and read the clock."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its samples."""
        now = self._clock.now()
        reports, reasons = self._fleet.reports(now), self._fleet.reasons(now)
        for metric in JOB_METRICS:
            yield _family(metric, reports, now)
        troubles = GaugeMetricFamily(
            "ipi_es_trouble", "1 for each reason why /readyz fails, 0 for the others.", labels=("job_id", "reason")
        )
        has = {(reason.job_id, reason.trouble) for reason in reasons}
        for report in reports:
            for trouble in NotReadyReason:
                troubles.add_metric((report.job_id, str(trouble)), float((report.job_id, trouble) in has))
        for name, trouble in sorted(has - {(report.job_id, each) for report in reports for each in NotReadyReason}):
            troubles.add_metric((name, str(trouble)), 1.0)  # a file that can't be used has no job
        yield troubles
        yield CounterMetricFamily(
            "ipi_es_cluster_retries",
            "Requests that were tried again, because the cluster was away or busy.",
            value=self._pressure.requests,
        )
        yield CounterMetricFamily(
            "ipi_es_bulk_documents_retried",
            "Documents that a busy cluster refused at first and that were sent again.",
            value=self._pressure.documents,
        )
        yield GaugeMetricFamily("ipi_es_ready", "1 where /readyz succeeds.", value=float(not reasons))
        build = GaugeMetricFamily("ipi_es_build_info", "Always 1; the label says which version.", labels=("version",))
        build.add_metric((ipi_es.__version__,), 1.0)
        yield build


def _family(metric: JobMetric, reports: Iterable[JobReport], now: int) -> Metric:
    labels = ("job_id", *metric.labels)
    found = [((report.job_id, *names), value) for report in reports for names, value in metric.samples(report, now)]
    if metric.kind == "summary":
        summary = SummaryMetricFamily(metric.name, metric.help, labels=labels)
        for names, both in found:
            assert isinstance(both, tuple)
            summary.add_metric(names, count_value=both[0], sum_value=both[1])
        return summary
    family: GaugeMetricFamily | CounterMetricFamily
    family = (GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily)(
        metric.name, metric.help, labels=labels
    )
    for names, value in found:
        assert isinstance(value, float)
        family.add_metric(names, value)
    return family


def registry(fleet: Fleet, clock: Clock) -> CollectorRegistry:
    """Return a registry of the jobs' metrics and the process's own (memory, processor time, open files)."""
    made = CollectorRegistry()
    made.register(FleetCollector(fleet, clock))
    ProcessCollector(registry=made)
    return made


def exposition(metrics: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return (body, content type) in the format that the scraper's ``Accept`` header asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(metrics), content_type
