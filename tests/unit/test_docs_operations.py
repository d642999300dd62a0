"""docs/operations.md and the Prometheus files name exactly what there is: metrics, labels, reasons, states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.core import Metric
from service_parts import NOW, FixedClock, busy_fleet

from ipi_es.cluster.transport.pressure import REJECTIONS
from ipi_es.config import Job
from ipi_es.service.blindness.blindness import EMPTY_DAY, ENOUGH, GONE, LOW, NONE_ENOUGH, QUIET_ENOUGH
from ipi_es.service.blindness.usual_rates import MEMORY, WEEK, WEEKS
from ipi_es.service.health.health import FAILING_AFTER, RECENT
from ipi_es.service.health.job_report import JobActivity, NotReadyReason
from ipi_es.service.health.metrics import FleetCollector, registry
from ipi_es.worker.job_status import StoredStatus
from ipi_es.worker.timing import Step

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yml"
NAME = re.compile(r"\b(?:ipi_es|process)_[a-z_]+\b")


def families() -> list[Metric]:
    return list(FleetCollector(busy_fleet(), FixedClock(NOW)).collect())


def sample_names(family: Metric) -> set[str]:
    """What Prometheus stores of a family, also where it has no sample now."""
    suffixes = {"counter": ("_total",), "summary": ("_count", "_sum")}.get(family.type, ("",))
    return {family.name + suffix for suffix in suffixes}


def described() -> dict[str, tuple[str, set[str]]]:
    """{metric: (type, labels)} of the page's table."""
    rows = re.findall(r"^\| `(ipi_es_\w+)` \| (\w+) \| ([^|]*)\|", TEXT, flags=re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)) | (set() if "worker" in labels else {"job_id"}))
        for name, kind, labels in rows
    }


def test_the_table_has_every_metric_with_its_type() -> None:
    there = {name: family.type for family in families() for name in sample_names(family)}
    assert {name: kind for name, (kind, _) in described().items()} == there


def test_the_table_has_every_label() -> None:
    there = {sample.name: set(sample.labels) for family in families() for sample in family.samples}
    assert set(there) == set(described()), "the fleet of this test must have a sample of each"
    assert {name: labels for name, (_, labels) in described().items()} == there


def test_every_metric_that_is_named_anywhere_exists() -> None:
    there = set(described()) | {
        sample.name for family in registry(busy_fleet(), FixedClock()).collect() for sample in family.samples
    }
    for path in (ROOT / "docs" / "operations.md", ALERTS, PROMETHEUS):
        assert set(NAME.findall(path.read_text(encoding="utf-8"))) <= there, path


def table(heading: str) -> list[str]:
    """The first cells of the table with this heading."""
    rows = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
    assert rows is not None
    return re.findall(r"^\| `(\w+)` \|", rows[1], flags=re.MULTILINE)


def test_every_reason_has_what_it_means_and_what_to_do() -> None:
    assert table("reason") == [str(trouble) for trouble in NotReadyReason]


def test_every_state_is_explained() -> None:
    assert table("state") == [str(stands) for stands in StoredStatus]
    (row,) = re.findall(r"^\| `ipi_es_job_state` .*$", TEXT, flags=re.MULTILINE)
    assert re.findall(r"`(\w+)`", row)[2:] == [str(doing) for doing in JobActivity]


def test_numbers_are_the_codes() -> None:
    fields = Job.model_fields
    assert f"`max_lag` ({fields['max_lag'].default})" in PLAIN
    assert f"`blind_after` ({fields['blind_after'].default})" in PLAIN
    assert f"last {RECENT} buckets" in PLAIN
    assert (FAILING_AFTER, MEMORY, WEEKS) == (3, 5 * WEEK, 4)
    assert "Three looks in a row" in PLAIN
    assert "It knows five weeks" in PLAIN
    assert "up to four earlier weeks" in PLAIN
    assert f"at least {NONE_ENOUGH} are usual" in PLAIN
    assert f"the quietest of the last 28 days would have had {QUIET_ENOUGH};" in PLAIN
    assert f"at least {ENOUGH} are usual, and at most {LOW:.0%} of them came" in PLAIN
    assert (LOW, GONE, EMPTY_DAY) == (0.35, 0.02, 6 * 3_600)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_well_formed(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"IpiEs[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert NAME.search(rule["expr"]) or "up{" in rule["expr"]


def test_alerts_group_by_labels_that_there_are_and_name_reasons_and_states_that_there_are() -> None:
    labels = {label for _, found in described().values() for label in found} | {"instance"}
    for rule in rules():
        for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
            assert {each.strip() for each in grouped.split(",")} <= labels
        reasons = (*NotReadyReason, *REJECTIONS)
        for key, values, words in (
            ("reason", reasons, r'reason=~?"([^"]+)"'),
            ("state", JobActivity, r'state=~?"([^"]+)"'),
        ):
            for named in re.findall(words, rule["expr"]):
                assert set(named.split("|")) <= {str(value) for value in values}, key
        for shown in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert shown in labels
            assert shown in rule["expr"]


def test_the_page_names_only_alerts_that_there_are() -> None:
    names = {rule["alert"] for rule in rules()}
    assert len(names) == len(rules())
    assert set(re.findall(r"`(IpiEs\w+)`", TEXT)) <= names


def test_the_scrape_asks_where_the_page_lets_it_listen() -> None:
    (scrape,) = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))["scrape_configs"]
    ((target,),) = [each["targets"] for each in scrape["static_configs"]]
    assert f"listen: {target}" in TEXT
    assert f"--listen {target}" in TEXT
    assert scrape["job_name"] == "ipi-es"


def test_every_step_that_is_timed_is_a_word_of_the_page() -> None:
    timed = {
        step
        for source in (ROOT / "ipi_es").rglob("*.py")
        for step in re.findall(r"(?:took|_timed)\(\"(\w+)\"", source.read_text(encoding="utf-8"))
    } | set(get_args(Step))
    (row,) = re.findall(r"^\| `ipi_es_step_seconds_count` .*$", TEXT, flags=re.MULTILINE)
    assert timed == set(re.findall(r"`(\w+)`", row)[2:])
