"""The results API on the in-memory cluster: parameters, defaults, answers and errors, as Elastic's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from made_results import HOUR, START, bucket, record, store_of
from serve_parts import JOB, SCORES, client_of, context_of, fill, services_of
from starlette.testclient import TestClient

from ipi_es.errors import ClusterUnreachable, PermissionDenied
from ipi_es.results.words import ALIAS
from ipi_es.serve.results_api.filter_path import filtered
from ipi_es.testing.memory_cluster import MemoryCluster

RESULTS = "/_ml/anomaly_detectors/logins/results"
JSON = {"content-type": "application/json"}


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    fill(made, context_of())
    return made


@pytest.fixture
def client(cluster: MemoryCluster) -> TestClient:
    return client_of(services_of(lambda _: cluster))


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Ask for a path below the job's results, by query or body, and require an answer."""

    def asked(path: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
        content = None if body is None else json.dumps(body)
        answer = client.request(method, f"{RESULTS}/{path}", content=content, headers=JSON if content else {})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


def refused(client: TestClient, path: str, body: Any = None, **more: Any) -> tuple[int, str, str]:
    """Return (status, type, reason)."""
    content = {} if body is None else {"content": json.dumps(body), "headers": JSON}
    answer = client.request("POST", path if path.startswith("/_") else f"{RESULTS}/{path}", **(content | more))
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["error"]["root_cause"] == [{name: found["error"][name] for name in ("type", "reason")}]
    return answer.status_code, found["error"]["type"], found["error"]["reason"]


def scores(answer: dict[str, Any], kind: str = "record") -> list[float]:
    return [each[f"{kind}_score"] for each in answer[f"{kind}s"]]


def hours(answer: dict[str, Any], kind: str = "record") -> list[int]:
    return [(each["timestamp"] // 1_000 - START) // HOUR for each in answer[f"{kind}s"]]


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


@pytest.mark.parametrize("path", ["records", "influencers", "buckets", f"buckets/{START * 1_000}"])
@pytest.mark.parametrize("job", ["missing", "log*", "_all", "logins,logins", "..", "%2e%2e", "a%22b"])
def test_one_job_alone_is_asked_for_and_only_a_configured_one(client: TestClient, path: str, job: str) -> None:
    answer = client.get(f"/_ml/anomaly_detectors/{job}/results/{path}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("records?start=invalid", None, "parse_exception"),
        ("records", {"end": "not-a-date"}, "parse_exception"),
        ("records", {"start": True}, "parse_exception"),
        ("records?record_score=NaN", None, "illegal_argument_exception"),
        ("records?record_score=Infinity", None, "illegal_argument_exception"),
        ("records?record_score=high", None, "illegal_argument_exception"),
        ("records?desc=yes", None, "illegal_argument_exception"),
        ("records?from=-1", None, "illegal_argument_exception"),
        ("records?size=-1", None, "illegal_argument_exception"),
        ("records?size=1.5", None, "illegal_argument_exception"),
        ("records", {"page": {"from": -1}}, "illegal_argument_exception"),
        ("records", {"page": {"frm": 1}}, "x_content_parse_exception"),
        ("records", {"page": [1, 2]}, "illegal_argument_exception"),
        ("records?sort=no_such_field", None, "illegal_argument_exception"),
        ("records?sort=reason", None, "illegal_argument_exception"),
        ("records?unknown=1", None, "illegal_argument_exception"),
        ("records", {"from": 1}, "x_content_parse_exception"),
        ("records", {"recordscore": 1}, "x_content_parse_exception"),
        ("records", [1], "x_content_parse_exception"),
        ("overall_buckets", {"bucket_span": "soon"}, "illegal_argument_exception"),
        ("overall_buckets", {"size": 1}, "x_content_parse_exception"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(client: TestClient, path: str, body: Any, kind: str) -> None:
    assert refused(client, path, body)[:2] == (400, kind)


def test_the_reasons_are_elastics(client: TestClient) -> None:
    assert refused(client, "records?start=invalid")[2].startswith(
        "Query param [start] with value [invalid] cannot be parsed as a date or converted to a number of milliseconds"
    )
    assert refused(client, "records?from=-1")[2] == "Parameter [from] cannot be < 0"
    assert refused(client, "records?from=9999&size=2")[2].endswith("equal to: [10000] but was [10001]")
    assert refused(client, "/_ml/anomaly_detectors/x/results/records")[2] == "No known job with id 'x'"


def test_broken_json_and_other_content_types_are_refused(client: TestClient) -> None:
    surrogates = b'{"sort": "\\ud800"}', b'{"\\ud800": 1}'
    for content in (b"{", b'{"record_score": NaN}', b"\xff\xfe", b"[" * 100_000, *surrogates):
        answer = client.post(f"{RESULTS}/records", content=content, headers=JSON)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "x_content_parse_exception")
    for kind in (
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/vnd.elasticsearch+json;compatible-with=7",
    ):
        answer = client.post(f"{RESULTS}/records", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    assert client.get(f"{RESULTS}/records", headers={"accept": "text/csv"}).status_code == 406
    assert client.get(f"{RESULTS}/records?format=yaml").status_code == 406


@pytest.mark.parametrize("version", [8, 9])
def test_compatible_clients_are_answered_in_their_content_type(client: TestClient, version: int) -> None:
    kind = f"application/vnd.elasticsearch+json; compatible-with={version}"
    answer = client.post(f"{RESULTS}/records", content=b"{}", headers={"content-type": kind, "accept": kind})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind.replace(" ", "")
    assert client.get(f"{RESULTS}/records").headers["content-type"] == "application/json"


def test_elastics_product_header_is_sent_only_where_that_is_switched_on(cluster: MemoryCluster) -> None:
    plain = client_of(services_of(lambda _: cluster)).get(f"{RESULTS}/records")
    assert "x-elastic-product" not in plain.headers
    switched = client_of(services_of(lambda _: cluster, product_header=True)).get(f"{RESULTS}/records")
    assert switched.headers["x-elastic-product"] == "Elasticsearch"


@pytest.mark.parametrize(
    ("method", "path", "command"),
    [
        ("PUT", "/_ml/anomaly_detectors/logins", "ipi-es job"),
        ("DELETE", "/_ml/anomaly_detectors/logins", "ipi-es job delete"),
        ("POST", "/_ml/anomaly_detectors/logins/_open", "ipi-es job resume"),
        ("POST", "/_xpack/ml/anomaly_detectors/logins/_close", "ipi-es job pause"),
        ("POST", "/_ml/anomaly_detectors/logins/model_snapshots/1/_revert", "ipi-es snapshots revert"),
        ("PUT", "/_ml/datafeeds/datafeed-logins", "ipi-es job create"),
        ("PUT", "/_ml/calendars/holidays", "ipi-es calendar"),
    ],
)
def test_what_changes_something_names_the_command(client: TestClient, method: str, path: str, command: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert command in answer.json()["error"]["hint"]
    assert "allow" in answer.headers


def test_a_caller_without_the_right_to_read_is_not_shown_an_empty_list(cluster: MemoryCluster) -> None:
    class Blind(MemoryCluster):
        def lacking(self, on_cluster: Any, on_indices: Any) -> Any:
            return [("read", ALIAS)]

    for path in ("records", "influencers", "buckets", "overall_buckets", f"buckets/{START * 1_000}"):
        answer = client_of(services_of(lambda _: Blind())).get(f"{RESULTS}/{path}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "security_exception")
    for path in ("anomaly_detectors", "anomaly_detectors/_stats", "calendars"):
        assert client_of(services_of(lambda _: Blind())).get(f"/_ml/{path}").status_code == 403


def test_failures_of_the_cluster_keep_their_meaning(cluster: MemoryCluster) -> None:
    def fail(error: Exception) -> TestClient:
        def before(operation: str, _: str) -> None:
            if operation == "search":
                raise error

        cluster.before = before
        return client_of(services_of(lambda _: cluster))

    away = fail(ClusterUnreachable("nothing listens")).get(f"{RESULTS}/records")
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    denied = fail(PermissionDenied("denied", status=403)).get(f"{RESULTS}/records")
    assert (denied.status_code, denied.json()["error"]["type"]) == (403, "security_exception")


def test_nothing_was_scored_yet() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    assert client.get(f"{RESULTS}/records").json() == {"count": 0, "records": []}
    assert client.get(f"{RESULTS}/overall_buckets").json() == {"count": 0, "overall_buckets": []}
    assert client.get(f"{RESULTS}/buckets/0").status_code == 404


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
