"""Links of the worker's messages to the explorer: its own addresses of the finding, and pages that are there."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
from explorer_parts import JOB, explorer_on, scored_copy, text_of
from report_parts import HOSTILE

from ipi_es.alerts.dashboard_links import HALF_DAY, finding_link
from ipi_es.alerts.found_alerts import find
from ipi_es.alerts.kinds import Kind
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.errors import ConfigError
from ipi_es.serve.explorer.links import Links, fits, span

ROOT = "https://ipi-es.example.org/soc"
WHEN = company.SCORED_TO - company.DAY
TIME = span(WHEN - HALF_DAY, WHEN + HALF_DAY)


def linked(**more: Any) -> Job:
    return check_job(company.job_data(alerts={"explorer": f"{ROOT}/", **more}))


@pytest.mark.parametrize("name", [*HOSTILE, "a/../b", "..", "a\\..\\b", "x" * 3_000, "münchen", "a b?c#d", "\ud800"])
def test_they_are_the_addresses_of_the_explorers_pages(name: str) -> None:
    job, links = linked(), Links(ROOT)
    whole = f"{ROOT}/jobs/{JOB.job_id}?start={TIME['start']}&end={TIME['end']}"
    found = finding_link(job, WHEN, [name], ["192.0.2.1", "192.0.2.2"], kind="records")
    page = links.entity(JOB.job_id, name)
    assert (page is not None) == fits(name)
    assert found == (whole if page is None else f"{page}?{whole.partition('?')[2]}")
    found = finding_link(job, WHEN, ["a", "b"], ["2001:db8::7"], kind="influencers")
    assert found.partition("?")[0] == links.address(JOB.job_id, "2001:db8::7")
    assert finding_link(job, WHEN, ["a"], [], kind="buckets") == whole
    assert finding_link(job, WHEN, ["a"], [], kind="incidents", incident="it/7") == links.incident(JOB.job_id, "it/7")


def test_without_an_explorer_they_lead_to_the_console() -> None:
    job = check_job(company.job_data(alerts={"console": "https://kibana.example.org"}))
    assert finding_link(job, WHEN, ["a"], [], kind="records").startswith("https://kibana.example.org/app/dashboards")


@pytest.mark.parametrize("kind", ["incidents", "buckets", "influencers", "records"])
def test_the_link_of_every_alert_shows_its_finding(kind: Kind) -> None:
    cluster, job = scored_copy(), linked(on=[kind], threshold=1, max_age="365d")
    client = explorer_on(cluster)
    found = find(cluster, job, 0, company.SCORED_TO)
    assert found
    for each in found[:10]:
        assert each.message.link.startswith(f"{ROOT}/jobs/")
        page = client.get(each.message.link.removeprefix(ROOT))
        assert page.status_code == 200, each.message.link
        shown = text_of(page.text)
        assert kind == "buckets" or any(name in shown for name in (*each.message.entities, *each.message.addresses))


@pytest.mark.parametrize("url", ["ipi-es.example.org", "https://ann:x@ipi-es.example.org"])
def test_an_address_that_is_none_or_has_a_password_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="explorer"):
        linked(explorer=url)
