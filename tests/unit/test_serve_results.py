"""The results API on the in-memory cluster: parameters, defaults, answers and errors, as Elastic's."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from made_results import HOUR, START, bucket, record, store_of
from results_client import RESULTS, Ask, ask, client, cluster, hours, refused, scores
from serve_parts import JOB, SCORES, client_of, context_of, services_of
from starlette.testclient import TestClient

from ipi_es.results.words import ALIAS
from ipi_es.serve.results_api.filter_path import filtered
from ipi_es.testing.memory_cluster import MemoryCluster

__all__ = ["ask", "client", "cluster"]


def test_records_are_the_worst_first_by_default(ask: Ask) -> None:
    answer = ask("records")
    assert answer["count"] == 5
    assert scores(answer) == sorted(SCORES, reverse=True)
    assert hours(answer) == [0, 2, 1, 3, 4]  # of equal scores the later one first: the direction is that of the sort


def test_influencers_are_the_worst_first_by_default_and_the_newest_where_sorted_by_time(ask: Ask) -> None:
    assert scores(ask("influencers"), "influencer") == [80.0, 60.0, 60.0, 50.0, 10.0]
    assert hours(ask("influencers?sort=timestamp"), "influencer") == [4, 3, 2, 1, 0]


def test_buckets_are_in_order_of_time_by_default(ask: Ask) -> None:
    assert hours(ask("buckets"), "bucket") == [0, 1, 2, 3, 4]
    assert hours(ask("buckets?sort=anomaly_score&desc=true"), "bucket") == [0, 2, 1, 3, 4]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?from=1&size=2", None),
        ("", {"page": {"from": 1, "size": 2}}),
        ("", {"page": {"from": "1", "size": "2"}}),
        ("?from=1&size=2", {"desc": True}),  # so Elastic's own client in Python sends them
        ("?from=3&size=1", {"page": {"from": 1, "size": 2}}),
    ],
)
def test_a_page_has_the_count_of_all_that_matches(ask: Ask, query: str, body: Any) -> None:
    answer = ask(f"records{query}", body)
    assert answer["count"] == 5
    assert hours(answer) == [2, 1]


def test_size_0_counts_and_100_is_the_default(ask: Ask, cluster: MemoryCluster) -> None:
    assert ask("records?size=0") == {"count": 5, "records": []}
    context = context_of()
    more = [record(context, entity=f"other-{number:03d}", score=1.0) for number in range(150)]
    store_of(cluster, context).write(more, 1)
    cluster.refresh(ALIAS)
    for body in (None, {}, {"record_score": 0}, {"page": {}}):
        answer = ask("records", body)
        assert (answer["count"], len(answer["records"])) == (155, 100)
    whole = ask("records?size=10000")["records"]
    parts = [each for first in range(0, 155, 10) for each in ask(f"records?from={first}&size=10")["records"]]
    assert parts == whole


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("record_score=60", [0, 2, 1]),
        ("record_score=60.1", [0]),
        ("record_score=101", []),
        ("exclude_interim=true", [0, 2, 1, 3]),
        ("exclude_interim", [0, 2, 1, 3]),
        ("desc=false", [4, 3, 1, 2, 0]),
        ("sort=timestamp&desc=false", [0, 1, 2, 3, 4]),
        ("sort=by_field_value&desc=false", [0, 1, 2, 3, 4]),
        ("sort=user.name&desc=false", [0, 1, 2, 3, 4]),
        ("sort=renormalized_at&desc=false", [0, 1, 2, 3, 4]),
    ],
)
def test_filters_and_sorts(ask: Ask, query: str, expected: list[int]) -> None:
    assert hours(ask(f"records?{query}")) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        ("", "-1", [0, 1, 2, 3, 4]),
        (-1, None, [0, 1, 2, 3, 4]),
        (START * 1_000, (START + 2 * HOUR) * 1_000, [0, 1]),
        (START * 1_000 + 1, None, [1, 2, 3, 4]),
        (None, START * 1_000 + 1, [0]),
        (str((START + HOUR) * 1_000), "9223372036854775807", [1, 2, 3, 4]),
        ("2026-06-01T00:00:00.000Z", "2026-06-01T01:00:00+00:00", [1]),
        ("2026-05-31T23:00:00.001Z", None, [1, 2, 3, 4]),
        ("2026-06-01", None, [1, 2, 3, 4]),
        ("2026-06-02||-1d", "2026-05-31T23:30:00Z||+1h", [1]),
        ("2030-01-01", None, []),
    ],
)
def test_start_is_inclusive_and_end_exclusive(ask: Ask, start: Any, end: Any, expected: list[int]) -> None:
    assert hours(ask("records", {"sort": "timestamp", "desc": False, "start": start, "end": end})) == expected


def test_date_math_counts_from_now(cluster: MemoryCluster) -> None:
    client = client_of(services_of(lambda _: cluster, now=START + 4 * HOUR + 60))
    found = client.get(f"{RESULTS}/records", params={"start": "now-2h", "sort": "timestamp"}).json()
    assert hours(found) == [4, 3]
    assert hours(client.get(f"{RESULTS}/records?start=now/d&sort=timestamp&desc=false").json()) == [1, 2, 3, 4]


def test_a_body_stands_for_the_query(ask: Ask, client: TestClient) -> None:
    body = {"record_score": "60.0", "desc": "false", "exclude_interim": "true", "sort": None}
    assert scores(ask("records", body)) == [60.0, 60.0, 80.0]
    assert scores(ask("records", body, method="GET")) == [60.0, 60.0, 80.0]
    assert scores(ask("records?record_score=70&desc=true", body)) == [60.0, 60.0, 80.0]
    source = {"source": json.dumps(body), "source_content_type": "application/json"}
    assert scores(client.get(f"{RESULTS}/records", params=source).json()) == [60.0, 60.0, 80.0]


def test_the_paths_of_older_versions_answer_the_same(client: TestClient) -> None:
    for path in ("records", "influencers", "buckets", "overall_buckets"):
        new, old = (client.get(f"/{root}/anomaly_detectors/logins/results/{path}") for root in ("_ml", "_xpack/ml"))
        assert new.status_code == 200
        assert new.json() == old.json()


def test_human_adds_the_time_as_text_everywhere_and_only_then(ask: Ask) -> None:
    for path in ("records", "influencers", "buckets?expand=true", "overall_buckets"):
        assert "timestamp_string" not in json.dumps(ask(path))
        text = json.dumps(ask(f"{path}{'&' if '?' in path else '?'}human"))
        assert text.count('"timestamp":') == text.count('"timestamp_string":')
    first = ask("buckets?human=true&size=1&expand=true")["buckets"][0]
    for each in (first, first["records"][0], first["bucket_influencers"][0]):
        assert (each["timestamp"], each["timestamp_string"]) == (START * 1_000, "2026-05-31T23:00:00.000Z")


def test_an_influencers_own_field_is_one_value_and_a_records_a_list(ask: Ask) -> None:
    assert ask("influencers?size=1")["influencers"][0]["source.ip"] == "198.51.100.0"
    found = ask("records?size=1")["records"][0]
    assert (found["source.ip"], found["user.name"]) == (["198.51.100.0"], ["user-0"])
    assert None not in found.values()


def test_one_bucket_by_its_start(ask: Ask, client: TestClient) -> None:
    time = (START + HOUR) * 1_000
    one = ask(f"buckets/{time}")
    assert (one["count"], hours(one, "bucket")) == (1, [1])
    for path, body in (
        ("buckets/2026-06-01T00:00:00Z", None),
        ("buckets", {"timestamp": time}),
        ("buckets?timestamp=2026-06-01", None),
        (f"buckets/{time}?exclude_interim=true&sort=timestamp&desc=true", None),
        (f"buckets/{time}", {"timestamp": START * 1_000}),
    ):
        assert ask(path, body) == one
    assert ask(f"buckets/{time}?expand=true")["buckets"][0]["records"][0]["record_score"] == 60.0
    for missing in (time + 1, time - 1, START * 1_000 - HOUR):
        status, kind, reason = refused(client, f"buckets/{missing}")
        assert (status, kind) == (404, "resource_not_found_exception")
        assert str(missing) in reason
    assert refused(client, f"buckets/{(START + 4 * HOUR) * 1_000}?exclude_interim=true")[0] == 404


@pytest.mark.parametrize(
    ("query", "body"),
    [(f"?{name}=1", None) for name in ("from", "size", "start", "end", "anomaly_score")]
    + [("", {name: 1}) for name in ("start", "end", "anomaly_score")]
    + [("", {"page": {"from": 0, "size": 10}})],
)
def test_one_bucket_excludes_what_asks_for_several(client: TestClient, query: str, body: Any) -> None:
    expected = "Param [timestamp] is incompatible with [from,size,start,end,anomaly_score]"
    answer = refused(client, f"buckets/{START * 1_000}{query}", body)
    assert answer == (400, "illegal_argument_exception", expected)
    if body:
        assert refused(client, "buckets", {**body, "timestamp": START * 1_000})[2] == expected


def test_expand_puts_the_worst_500_records_into_their_bucket(ask: Ask, cluster: MemoryCluster) -> None:
    context = context_of()
    more = [record(context, entity=f"other-{number:03d}", score=number / 10) for number in range(600)]
    store_of(cluster, context).write([*more, bucket(context, START + 9 * HOUR, score=0.0)], 1)
    cluster.refresh(ALIAS)
    found = ask("buckets", {"expand": True})["buckets"]
    assert [len(each.get("records", ())) for each in found] == [500, 1, 1, 1, 1, 0]
    assert "records" not in found[-1]
    own = [each["record_score"] for each in found[0]["records"]]
    assert own == sorted(own, reverse=True)
    assert own[:2] == [80.0, 59.9]
    assert "records" not in ask("buckets", {"expand": True, "exclude_interim": True})["buckets"][-1]
    assert all("records" not in each for each in ask("buckets")["buckets"])


def test_filter_path_keeps_parts(ask: Ask) -> None:
    assert ask("records?filter_path=count") == {"count": 5}
    assert ask("records?size=1&filter_path=records.record_score") == {"records": [{"record_score": 80.0}]}
    assert ask("records?size=1&filter_path=records.*_score,count") == {
        "count": 5,
        "records": [{"record_score": 80.0, "initial_record_score": 80.0}],
    }
    assert ask("records?size=1&filter_path=records.user.name") == {"records": [{"user.name": ["user-0"]}]}
    assert ask("buckets?size=1&filter_path=**.influencer_field_name") == {
        "buckets": [{"bucket_influencers": [{"influencer_field_name": "bucket_time"}]}]
    }
    assert ask("records?size=1&filter_path=-records") == {"count": 5}
    assert ask("records?filter_path=nothing") == {}


def test_many_paths_take_no_longer_for_many_results(client: TestClient) -> None:
    answer = {"records": [{f"field{number}.part": {"a": {"b": 1}} for number in range(40)} for _ in range(2_000)]}
    began = time.process_time()
    for paths in (",".join(["*.no*.x"] * 60), ".".join(["**"] * 199), ".".join(["**", "a"] * 99)):
        filtered(answer, paths)
    assert time.process_time() - began < 5  # minutes, if each path is compared with each field of each result
    refused = client.get(f"{RESULTS}/records?filter_path={','.join(['*.a'] * 200)}")
    assert (refused.status_code, "filter_path" in refused.json()["error"]["reason"]) == (400, True)


def test_overall_buckets(ask: Ask, client: TestClient) -> None:
    answer = ask("overall_buckets")
    assert answer["count"] == 5
    assert [each["overall_score"] for each in answer["overall_buckets"]] == [40.0, 30.0, 30.0, 25.0, 5.0]
    assert answer["overall_buckets"][-1]["is_interim"] is True
    wide = ask("overall_buckets", {"bucket_span": "2h", "exclude_interim": "true", "overall_score": "30"})
    assert [each["overall_score"] for each in wide["overall_buckets"]] == [40.0, 30.0]
    cut = ask("overall_buckets", {"start": (START + 1_800) * 1_000, "end": (START + 9_000) * 1_000})
    assert [each["timestamp"] for each in cut["overall_buckets"]] == [(START + HOUR) * 1_000]
    for body, reason in (
        ({"top_n": 0}, "[topN] parameter must be positive, found [0]"),
        ({"top_n": -1}, "[topN] parameter must be positive, found [-1]"),
        ({"bucket_span": "30m"}, "Param [bucket_span] must be greater or equal to the max bucket_span [1h]"),
    ):
        assert refused(client, "overall_buckets", body) == (400, "illegal_argument_exception", reason)


@pytest.mark.parametrize("job", ["logins", "sign-ins", "_all", "*", "log*", "logins,log*", "*ins"])
def test_overall_buckets_take_groups_wildcards_and_lists(client: TestClient, job: str) -> None:
    answer = client.get(f"/_ml/anomaly_detectors/{job}/results/overall_buckets")
    assert answer.json()["count"] == 5


def test_a_wildcard_may_match_nothing_and_a_name_may_not(client: TestClient) -> None:
    path = "/_ml/anomaly_detectors/{}/results/overall_buckets"
    assert client.get(path.format("none-*")).json() == {"count": 0, "overall_buckets": []}
    for query in ("allow_no_match=false", "allow_no_jobs=false"):
        assert client.get(f"{path.format('none-*')}?{query}").status_code == 404
    assert refused(client, path.format("missing"))[0] == 404
    assert refused(client, path.format("logins,missing"))[2] == "No known job with id 'missing'"


def test_jobs_are_listed_with_their_configuration(client: TestClient) -> None:
    answer = client.get("/_ml/anomaly_detectors").json()
    assert answer["count"] == 1
    job = answer["jobs"][0]
    assert (job["job_id"], job["groups"], job["analysis_config"]["bucket_span"]) == ("logins", ["sign-ins"], "1h")
    assert job["analysis_config"]["detectors"][0]["by_field_name"] == JOB.ip_field
    assert client.get("/_ml/anomaly_detectors/log*").json() == answer
    assert client.get("/_ml/anomaly_detectors/missing").status_code == 404
    assert client.get("/_ml/anomaly_detectors/no*?allow_no_match=false").status_code == 404


def test_stats_count_the_final_buckets(client: TestClient) -> None:
    answer = client.get("/_ml/anomaly_detectors/logins/_stats").json()
    job = answer["jobs"][0]
    assert (answer["count"], job["job_id"], job["state"]) == (1, "logins", "closed")
    assert job["data_counts"]["bucket_count"] == 4
    assert job["data_counts"]["processed_record_count"] == 36
    assert job["data_counts"]["earliest_record_timestamp"] == START * 1_000
    assert client.get("/_ml/anomaly_detectors/_stats").json() == answer


def test_snapshots_and_calendars_of_a_job_without_any(client: TestClient) -> None:
    path = "/_ml/anomaly_detectors/logins/model_snapshots"
    assert client.get(path).json() == {"count": 0, "model_snapshots": []}
    assert client.get(f"{path}/none").status_code == 404
    assert client.get("/_ml/calendars").json() == {"count": 0, "calendars": []}
    assert client.get("/_ml/calendars/none").status_code == 404
    assert client.get("/_ml/calendars/_all/events").json() == {"count": 0, "events": []}


def test_pretty_indents(client: TestClient) -> None:
    assert "\n" in client.get(f"{RESULTS}/records?pretty").text
    assert "\n" not in client.get(f"{RESULTS}/records").text
