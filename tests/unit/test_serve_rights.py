"""Callers with few rights: what they can't know is said, and they learn no names of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from explorer_parts import JOB, explorer_on, incident_links, scored_copy, text_of
from serve_parts import client_of, services_of

from ipi_es.errors import PermissionDenied
from ipi_es.results.words import ALIAS
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.verdict_store import VERDICTS_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster

LIST = f"/jobs/{JOB.job_id}"


def without_rights(cluster: MemoryCluster, *hidden: str) -> MemoryCluster:
    """The cluster for a user who may not read these indices."""

    def lacking(_: Any, on_indices: Any) -> Any:
        return [("read", index) for index in on_indices if index in hidden]

    def before(_: str, target: str) -> None:
        if target in hidden:
            raise PermissionDenied(f"no permissions for {target}", status=403)

    cluster.lacking, cluster.before = lacking, before  # type: ignore[method-assign]
    return cluster


@pytest.mark.parametrize("hidden", [STATE_INDEX, VERDICTS_INDEX])
def test_findings_are_not_said_to_be_open_where_the_answers_cannot_be_read(hidden: str) -> None:
    client = explorer_on(without_rights(scored_copy(), hidden))
    said = f"answered since they were stored can't be read: these credentials may not read {hidden}"
    page = client.get(LIST)
    incident = incident_links(page.text)[0]
    empty = f"{LIST}?severity=critical&start=1970-01-01&end=1970-01-02"
    pages = {path: client.get(path) for path in ("/", LIST, incident, empty)}
    for path, each in pages.items():
        assert each.status_code == 200, path
        assert said in text_of(each.text), path
        assert " open finding" not in text_of(each.text), path
        assert "unanswered" not in text_of(each.text), path
    assert "not marked as closed" in text_of(pages["/"].text)
    assert "No finding not marked as closed" in text_of(pages[empty].text)


def test_with_the_rights_findings_are_open() -> None:
    client = explorer_on(scored_copy())
    for path in ("/", LIST):
        assert "can't be read" not in text_of(client.get(path).text)
    assert "open finding" in text_of(client.get("/").text)


@pytest.mark.parametrize(
    "path",
    [
        "/_ml/anomaly_detectors/{}",
        "/_ml/anomaly_detectors/{}/_stats",
        "/_ml/anomaly_detectors/{}*",
        "/_ml/anomaly_detectors/{}/results/records",
        "/_ml/anomaly_detectors/{}/results/records?sort=none",
        "/_ml/anomaly_detectors/{}/results/influencers",
        "/_ml/anomaly_detectors/{}/results/buckets",
        "/_ml/anomaly_detectors/{}/results/buckets/1?expand=true",
        "/_ml/anomaly_detectors/{}/results/overall_buckets",
        "/_ml/anomaly_detectors/{}/results/overall_buckets?bucket_span=1s",
        "/_ml/anomaly_detectors/{}/model_snapshots",
        "/_ml/anomaly_detectors/{}/model_snapshots/x",
        "/jobs/{}",
        "/jobs/{}/results",
        "/jobs/{}/live",
        "/jobs/{}/incidents/x",
        "/jobs/{}/entities/ann",
        "/jobs/{}/addresses/192.0.2.1",
        "POST /endpoints/{}/invocations",
    ],
)
def test_who_may_read_nothing_gets_the_same_answer_for_every_name(path: str) -> None:
    hidden = [ALIAS, STATE_INDEX, VERDICTS_INDEX, "ipi-es-snapshots"]
    client = client_of(services_of(lambda _: without_rights(scored_copy(), *hidden), [JOB]))
    method, _, place = path.rpartition(" ")
    answers = []
    for name in (JOB.job_id, "none", JOB.job_id[:-1]):
        content = b"ann,192.0.2.1" if method else None
        headers = {"content-type": "text/csv"} if method else {}
        answer = client.request(method or "GET", place.format(name), content=content, headers=headers)
        answers.append((answer.status_code, answer.text))
        assert "did you mean" not in answer.text
    assert answers[0][0] == 403, answers[0]
    assert len(set(answers)) == 1, answers
