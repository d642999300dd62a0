"""Operators and countries on their way from event buckets to training, to history and to records."""

from __future__ import annotations

import numpy as np

from ipi_es.addresses import parse
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.results.documents.explanation import sentence
from ipi_es.worker.training.training_rows import TrainingRowsCollector

DE, FR = 0x4445, 0x4652
JOB = Job.model_validate(
    {"job_id": "j", "analysis_config": {"bucket_span": "1h"}, "datafeed_config": {"indices": ["logs"]}}
)
START = 1_700_000_000 // 86_400 * 86_400


def bucket(hour: int, ips: list[str], context: AddressContext | None) -> EventBucket:
    addresses, valid = parse(ips)
    assert valid.all()
    n = len(ips)
    return EventBucket(
        start=START + hour * 3_600,
        span=3_600,
        entities=["a"],
        ips=ips,
        addresses=addresses,
        outcomes=["success"],
        entity=np.zeros(n, dtype=np.int32),
        ip=np.arange(n, dtype=np.int32),
        outcome=np.zeros(n, dtype=np.int8),
        count=np.ones(n, dtype=np.int64),
        event_count=n,
        context=context,
    )


def known(*rows: tuple[int, int]) -> AddressContext:
    operator, country = zip(*rows, strict=True)
    return AddressContext(np.array(operator, dtype=np.uint32), np.array(country, dtype=np.uint16))


def test_a_training_gets_what_was_last_known_of_each_address() -> None:
    collector = TrainingRowsCollector(JOB, AllowList.of(JOB))
    collector.take(bucket(0, ["192.0.2.1", "192.0.2.2"], None))
    collector.take(bucket(1, ["192.0.2.2", "192.0.2.3"], known((64_500, DE), (64_501, 0))))
    collector.take(bucket(2, ["192.0.2.3", "192.0.2.2"], known((0, FR), (64_502, 0))))
    events = collector.events(START + 86_400)
    assert events.context is not None
    assert events.context.operator.tolist() == [0, 64_502, 64_501]
    assert events.context.country.tolist() == [0, DE, FR]


def test_a_training_of_events_without_operators_has_no_context() -> None:
    collector = TrainingRowsCollector(JOB, AllowList.of(JOB))
    collector.take(bucket(0, ["192.0.2.1"], None))
    assert collector.events(START + 86_400).context is None


def test_the_sentence_names_what_is_new() -> None:
    record = {
        "partition_field_value": "alice",
        "by_field_value": "192.0.2.1",
        "probability": 1e-4,
        "source.as.number": 64_500,
        "source.as.organization.name": "Example",
        "source.geo.country_iso_code": "DE",
        "anomaly_score_explanation": {
            "prior_events": 7,
            "operator_first_occurrence": True,
            "country_first_occurrence": True,
        },
    }
    assert "operator AS64500 (Example) and country DE are new for alice" in sentence(record)
    record["anomaly_score_explanation"]["country_first_occurrence"] = False
    del record["source.as.organization.name"]
    assert "operator AS64500 is new for alice" in sentence(record)
    record["anomaly_score_explanation"]["operator_first_occurrence"] = None
    assert "new for" not in sentence(record)
