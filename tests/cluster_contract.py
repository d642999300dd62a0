"""What every implementation of the cluster port promises; run on the one in memory and on each real server."""

from __future__ import annotations

from typing import Any

import pytest

from ipi_es.cluster.port import Cluster, Document, Drop, IndexOptions, Put
from ipi_es.errors import BulkFailed, Conflict, NotFound, RequestRejected

STRICT = IndexOptions(ignore_unavailable=False, allow_no_indices=False)
EVENTS = {
    "properties": {
        "@timestamp": {"type": "date"},
        "user": {"properties": {"name": {"type": "keyword"}}},
        "source": {"properties": {"ip": {"type": "ip", "ignore_malformed": True}}},
        "outcome": {"type": "keyword"},
        "n": {"type": "long"},
        "x": {"type": "double"},
        "ok": {"type": "boolean"},
        "when": {"type": "alias", "path": "@timestamp"},
    }
}
DAY = 1_777_593_600_000  # 2026-05-01T00:00:00Z, epoch milliseconds
MINUTE = 60_000


def event(minute: int, user: Any = None, ip: Any = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"@timestamp": DAY + minute * MINUTE, **more}
    if user is not None:
        made["user"] = {"name": user}
    if ip is not None:
        made["source"] = {"ip": ip}
    return made


def fill(cluster: Cluster, index: str, *documents: dict[str, Any]) -> None:
    cluster.create_index(index, {"settings": {"number_of_replicas": 0}, "mappings": EVENTS})
    cluster.bulk([Put(index, str(number), source) for number, source in enumerate(documents)], refresh=True)


def found(cluster: Cluster, index: str, query: dict[str, Any]) -> list[str]:
    hits = cluster.search(index, {"query": query, "size": 100})["hits"]["hits"]
    return sorted(hit["_id"] for hit in hits)


def pages(cluster: Cluster, index: str, sources: list[dict[str, Any]], size: int, **aggs: Any) -> list[dict[str, Any]]:
    composite: dict[str, Any] = {"size": size, "sources": sources}
    rows: list[dict[str, Any]] = []
    while True:
        body = {"size": 0, "aggs": {"rows": {"composite": composite, "aggs": aggs}}}
        page = cluster.search(index, body)["aggregations"]["rows"]
        rows += page["buckets"]
        if "after_key" not in page:
            return rows
        composite["after"] = page["after_key"]


USER: dict[str, Any] = {"user": {"terms": {"field": "user.name"}}}
IP: dict[str, Any] = {"ip": {"terms": {"field": "source.ip"}}}


class Documents:
    def test_a_document_comes_back_in_real_time(self, cluster: Cluster, name: str) -> None:
        put = cluster.put(name, "a b/c", {"n": 1})
        got = cluster.get(name, "a b/c")
        assert got == put
        assert got is not None
        assert got.seq_no >= 0
        assert got.source == {"n": 1}

    def test_a_missing_document_or_index_is_none(self, cluster: Cluster, name: str) -> None:
        assert cluster.get(name, "a") is None
        cluster.put(name, "a", {"n": 1})
        assert cluster.get(name, "b") is None

    def test_compare_and_set_wins_once(self, cluster: Cluster, name: str) -> None:
        first = cluster.put(name, "state", {"n": 1})
        second = cluster.put(name, "state", {"n": 2}, if_match=first)
        with pytest.raises(Conflict):
            cluster.put(name, "state", {"n": 3}, if_match=first)
        assert cluster.get(name, "state") == second

    def test_compare_and_set_fails_on_a_deleted_document(self, cluster: Cluster, name: str) -> None:
        first = cluster.put(name, "state", {"n": 1})
        cluster.delete(name, "state")
        with pytest.raises(Conflict):
            cluster.put(name, "state", {"n": 2}, if_match=first)

    def test_create_refuses_an_existing_document(self, cluster: Cluster, name: str) -> None:
        cluster.put(name, "a", {"n": 1}, create=True)
        with pytest.raises(Conflict):
            cluster.put(name, "a", {"n": 2}, create=True)

    def test_delete_says_whether_it_was_there(self, cluster: Cluster, name: str) -> None:
        cluster.put(name, "a", {"n": 1})
        assert cluster.delete(name, "a") is True
        assert cluster.delete(name, "a") is False
        assert cluster.delete(f"{name}-none", "a") is False

    def test_a_write_that_asks_for_it_is_searchable(self, cluster: Cluster, name: str) -> None:
        cluster.put(name, "a", {"n": 1}, refresh=True)
        assert cluster.count(name, {"match_all": {}}) == 1

    def test_refresh_makes_writes_searchable(self, cluster: Cluster, name: str) -> None:
        cluster.put(name, "a", {"n": 1})
        cluster.refresh(name)
        cluster.refresh(f"{name}-none")
        assert found(cluster, name, {"match_all": {}}) == ["a"]

    def test_an_id_over_512_bytes_is_rejected(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(RequestRejected):
            cluster.put(name, "ä" * 257, {"n": 1})


class Bulk:
    def test_counts_what_was_written_and_deleted(self, cluster: Cluster, name: str) -> None:
        outcome = cluster.bulk([Put(name, str(n), {"n": n}) for n in range(2_500)], refresh=True)
        assert (outcome.written, outcome.deleted, outcome.fenced, outcome.failures) == (2_500, 0, (), ())
        outcome = cluster.bulk([Drop(name, "1"), Drop(name, "none"), Put(name, "2", {"n": 0})], refresh=True)
        assert (outcome.written, outcome.deleted, outcome.failures) == (1, 1, ())
        assert cluster.count(name, {"match_all": {}}) == 2_499

    def test_deleting_from_a_missing_index_is_no_error(self, cluster: Cluster, name: str) -> None:
        outcome = cluster.bulk([Drop(name, "1")])
        assert (outcome.deleted, outcome.failures) == (0, ())

    def test_an_empty_bulk_writes_nothing(self, cluster: Cluster, name: str) -> None:
        assert cluster.bulk([]).written == 0

    def test_equal_and_higher_versions_win_and_lower_are_fenced(self, cluster: Cluster, name: str) -> None:
        high = (7 << 32) + 3
        assert cluster.bulk([Put(name, "a", {"n": 1}, high)]).written == 1
        assert cluster.bulk([Put(name, "a", {"n": 2}, high)]).written == 1
        assert cluster.bulk([Put(name, "a", {"n": 3}, high + 1)]).written == 1
        outcome = cluster.bulk([Put(name, "a", {"n": 4}, high), Drop(name, "a", high), Put(name, "b", {"n": 1}, high)])
        assert (outcome.written, outcome.deleted, outcome.fenced) == (1, 0, ("a", "a"))
        kept = cluster.get(name, "a")
        assert kept is not None
        assert kept.source == {"n": 3}

    def test_a_versioned_deletion_fences_late_writes(self, cluster: Cluster, name: str) -> None:
        cluster.bulk([Put(name, "a", {"n": 1}, 5)])
        assert cluster.bulk([Drop(name, "a", 6)]).deleted == 1
        assert cluster.bulk([Put(name, "a", {"n": 2}, 5)]).fenced == ("a",)
        assert cluster.get(name, "a") is None

    def test_a_refused_document_raises_and_is_named(self, cluster: Cluster, name: str) -> None:
        cluster.create_index(name, {"mappings": EVENTS})
        with pytest.raises(BulkFailed) as caught:
            cluster.bulk([Put(name, "good", {"n": 1}), Put(name, "bad", {"n": "x"})])
        assert [failure[:2] for failure in caught.value.failures] == [("bad", 400)]

    def test_failures_are_handed_over_if_allowed(self, cluster: Cluster, name: str) -> None:
        cluster.create_index(name, {"mappings": EVENTS})
        outcome = cluster.bulk([Put(name, "bad", {"n": "x"}), Put(name, "good", {"n": 1})], allow_failures=True)
        assert outcome.written == 1
        assert [(failure.id, failure.status) for failure in outcome.failures] == [("bad", 400)]

    def test_an_id_over_512_bytes_refuses_the_whole_bulk(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(RequestRejected):
            cluster.bulk([Put(name, "a", {"n": 1}), Put(name, "a" * 513, {"n": 1})])


class Searching:
    def test_term_terms_exists_and_ids(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", n=1), event(1, ["bob", "cy"]), event(2, ok=True, x=0.5))
        assert found(cluster, name, {"term": {"user.name": "cy"}}) == ["1"]
        assert found(cluster, name, {"term": {"user.name": {"value": "ann"}}}) == ["0"]
        assert found(cluster, name, {"terms": {"user.name": ["ann", "cy", "x"]}}) == ["0", "1"]
        assert found(cluster, name, {"exists": {"field": "user.name"}}) == ["0", "1"]
        assert found(cluster, name, {"exists": {"field": "user"}}) == ["0", "1"]
        assert found(cluster, name, {"ids": {"values": ["2", "9"]}}) == ["2"]
        assert found(cluster, name, {"term": {"ok": True}}) == ["2"]
        assert found(cluster, name, {"term": {"n": 1}}) == ["0"]
        assert found(cluster, name, {"term": {"none": 1}}) == []

    def test_bool_filters_and_excludes(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", n=1), event(1, "ann", n=2), event(2, "bob", n=1))
        ann, one = {"term": {"user.name": "ann"}}, {"term": {"n": 1}}
        assert found(cluster, name, {"bool": {"filter": [ann, one]}}) == ["0"]
        assert found(cluster, name, {"bool": {"filter": ann, "must_not": [one]}}) == ["1"]
        assert found(cluster, name, {"bool": {"should": [ann, one]}}) == ["0", "1", "2"]
        assert found(cluster, name, {"bool": {"should": [ann, one], "minimum_should_match": 2}}) == ["0"]
        assert found(cluster, name, {"bool": {"filter": [ann], "should": [one]}}) == ["0", "1"]

    @pytest.mark.parametrize(
        ("bounds", "ids"),
        [
            ({"gte": "2026-05-01T00:01:00Z", "lt": "2026-05-01T00:02:00Z"}, ["1"]),
            ({"gte": DAY + MINUTE, "lt": DAY + 2 * MINUTE, "format": "epoch_millis"}, ["1"]),
            ({"gt": "2026-05-01T00:01:00.000Z"}, ["2", "3"]),
            ({"lte": "2026-05-01T00:01:00+00:00"}, ["0", "1"]),
        ],
    )
    def test_a_range_of_dates_is_half_open_as_written(
        self, cluster: Cluster, name: str, bounds: dict[str, Any], ids: list[str]
    ) -> None:
        late: dict[str, Any] = {"@timestamp": "2026-05-01T00:03:00.123Z"}
        fill(cluster, name, event(0), event(1), event(2), late)
        assert found(cluster, name, {"range": {"@timestamp": bounds}}) == ids
        assert found(cluster, name, {"range": {"when": bounds}}) == ids

    def test_addresses_are_found_by_range_and_by_network(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, ip="10.1.2.3"), event(1, ip="2001:DB8:0::1"), event(2, ip="no address"))
        assert found(cluster, name, {"term": {"source.ip": "10.0.0.0/8"}}) == ["0"]
        assert found(cluster, name, {"term": {"source.ip": "2001:db8::1"}}) == ["1"]
        assert found(cluster, name, {"exists": {"field": "source.ip"}}) == ["0", "1"]

    def test_sort_size_and_from(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, n=3), event(1, n=1), event(2, n=2), event(3))
        body: dict[str, Any] = {"sort": [{"n": "desc"}], "size": 2, "from": 1}
        assert [hit["_id"] for hit in cluster.search(name, body)["hits"]["hits"]] == ["2", "1"]
        body = {"sort": [{"n": {"order": "asc"}}], "size": 4}
        assert [hit["_id"] for hit in cluster.search(name, body)["hits"]["hits"]] == ["1", "2", "0", "3"]

    def test_source_is_filtered(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", n=1))
        hit = cluster.search(name, {"_source": ["user.name"]})["hits"]["hits"][0]
        assert hit["_source"] == {"user": {"name": "ann"}}
        assert "_source" not in cluster.search(name, {"_source": False})["hits"]["hits"][0]

    def test_total_hits_are_counted(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, *(event(minute) for minute in range(12)))
        answer = cluster.search(name, {"size": 0, "track_total_hits": True})
        assert answer["hits"]["total"] == {"value": 12, "relation": "eq"}
        assert cluster.count(name, {"range": {"@timestamp": {"lt": DAY + MINUTE}}}) == 1

    def test_an_unknown_query_is_rejected(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0))
        with pytest.raises(RequestRejected):
            cluster.search(name, {"query": {"nonsense": {}}})


class Aggregating:
    def test_composite_pages_give_each_pair_once(self, cluster: Cluster, name: str) -> None:
        events = [event(n, f"user {n % 7}", f"10.0.0.{n % 3}") for n in range(100)]
        fill(cluster, name, *events)
        rows = pages(cluster, name, [USER, IP], 4)
        pairs = [(row["key"]["user"], row["key"]["ip"]) for row in rows]
        assert len(pairs) == len(set(pairs)) == 21
        assert pairs == sorted(pairs)
        assert sum(row["doc_count"] for row in rows) == 100

    def test_composite_shows_missing_values_only_if_asked(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", "10.0.0.1"), event(1, "ann"), event(2, None, "10.0.0.1"))
        assert [row["key"] for row in pages(cluster, name, [USER, IP], 9)] == [{"user": "ann", "ip": "10.0.0.1"}]
        wide = [
            {"user": {"terms": {"field": "user.name", "missing_bucket": True}}},
            {"ip": {"terms": {"field": "source.ip", "missing_bucket": True}}},
        ]
        rows = [(row["key"]["user"], row["key"]["ip"]) for row in pages(cluster, name, wide, 2)]
        assert rows == [(None, "10.0.0.1"), ("ann", None), ("ann", "10.0.0.1")]

    def test_composite_gives_canonical_addresses(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, ip="::ffff:10.0.0.1"), event(1, ip="2001:DB8:0:0::1"), event(2, ip="junk"))
        assert [row["key"]["ip"] for row in pages(cluster, name, [IP], 9)] == ["10.0.0.1", "2001:db8::1"]

    def test_composite_crosses_multiple_values(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, ["b", "a", "a"], ["10.0.0.2", "10.0.0.1"]))
        rows = [(row["key"]["user"], row["key"]["ip"], row["doc_count"]) for row in pages(cluster, name, [USER, IP], 3)]
        pairs = [("a", "10.0.0.1"), ("a", "10.0.0.2"), ("b", "10.0.0.1"), ("b", "10.0.0.2")]
        assert rows == [(*pair, 1) for pair in pairs]

    def test_composite_carries_sub_aggregations(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(5, "ann", outcome="success"), event(3, "ann", outcome="failure"))
        aggs = {
            "first": {"min": {"field": "@timestamp"}},
            "good": {"filter": {"term": {"outcome": "success"}}},
        }
        (row,) = pages(cluster, name, [USER], 9, **aggs)
        assert row["first"]["value"] == DAY + 3 * MINUTE
        assert row["good"]["doc_count"] == 1

    def test_a_composite_page_above_the_limit_is_rejected_at_once(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann"))
        with pytest.raises(RequestRejected):
            pages(cluster, name, [USER], 70_000)

    def test_metrics(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", n=4), event(1, ["bob", "ann"], n=2), event(2))
        aggs = {
            "users": {"cardinality": {"field": "user.name"}},
            "values": {"value_count": {"field": "user.name"}},
            "least": {"min": {"field": "n"}},
            "most": {"max": {"field": "n"}},
            "sum": {"sum": {"field": "n"}},
            "last": {"max": {"field": "@timestamp"}},
            "without": {"missing": {"field": "user.name"}},
            "nothing": {"max": {"field": "x"}},
        }
        answer = cluster.search(name, {"size": 0, "aggs": aggs})["aggregations"]
        values = {key: answer[key]["value"] for key in aggs if key != "without"}
        assert values == {
            "users": 2, "values": 3, "least": 2, "most": 4, "sum": 6, "last": DAY + 2 * MINUTE, "nothing": None,
        }  # fmt: skip
        assert answer["without"]["doc_count"] == 1
        assert answer["last"]["value_as_string"] == "2026-05-01T00:02:00.000Z"

    def test_terms_are_ordered_by_count_then_key(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "cy"), event(1, "bob"), event(2, "ann"), event(3, "cy"))
        body = {"size": 0, "aggs": {"users": {"terms": {"field": "user.name", "size": 2}}}}
        users = cluster.search(name, body)["aggregations"]["users"]
        assert [(row["key"], row["doc_count"]) for row in users["buckets"]] == [("cy", 2), ("ann", 1)]
        assert users["sum_other_doc_count"] == 1

    def test_a_date_histogram_fills_its_gaps(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0), event(1), event(125))
        body = {"size": 0, "aggs": {"hours": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}}}}
        hours = cluster.search(name, body)["aggregations"]["hours"]["buckets"]
        assert [(row["key"] - DAY, row["doc_count"]) for row in hours] == [(0, 2), (3_600_000, 0), (7_200_000, 1)]


class MissingIndices:
    @pytest.mark.parametrize("suffix", ["-none", "-none*"])
    def test_an_allowed_missing_index_gives_an_empty_answer(self, cluster: Cluster, name: str, suffix: str) -> None:
        index = name + suffix
        answer = cluster.search(index, {"size": 0, "aggs": {"n": {"max": {"field": "n"}}}})
        assert answer["hits"]["total"]["value"] == 0
        assert "aggregations" not in answer
        assert cluster.count(index, {"match_all": {}}) == 0
        assert list(cluster.scan(index, {"match_all": {}})) == []
        assert cluster.indices(index) == []
        assert cluster.get_mapping(index) == {}

    @pytest.mark.parametrize("suffix", ["-none", "-none*"])
    def test_a_missing_index_is_not_found_when_it_must_be_there(self, cluster: Cluster, name: str, suffix: str) -> None:
        with pytest.raises(NotFound):
            cluster.search(name + suffix, {}, options=STRICT)
        with pytest.raises(NotFound):
            cluster.count(name + suffix, {"match_all": {}}, options=STRICT)
        with pytest.raises(NotFound):
            list(cluster.scan(name + suffix, {"match_all": {}}, options=STRICT))
        with pytest.raises(NotFound):
            cluster.field_types(name + suffix, ["n"])

    def test_a_list_of_indices_skips_the_missing_one(self, cluster: Cluster, name: str) -> None:
        fill(cluster, f"{name}-1", event(0))
        assert cluster.count([f"{name}-1", f"{name}-2"], {"match_all": {}}) == 1
        assert cluster.count(f"{name}-*,-{name}-1", {"match_all": {}}) == 0

    def test_an_unknown_remote_cluster_is_not_found(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(NotFound):
            cluster.search(f"nowhere:{name}-*", {})


class Scanning:
    def test_every_row_comes_once_over_ties_and_indices(self, cluster: Cluster, name: str) -> None:
        for part in "ab":
            rows = [Put(f"{name}-{part}", f"{part}{n}", {"n": n % 3}) for n in range(250)]
            cluster.create_index(f"{name}-{part}", {"settings": {"number_of_shards": 2}, "mappings": EVENTS})
            cluster.bulk(rows, refresh=True)
        ids = [document.id for document in cluster.scan(f"{name}-*", {"match_all": {}}, sort=[{"n": "asc"}], size=7)]
        assert len(ids) == len(set(ids)) == 500
        unsorted = {document.id for document in cluster.scan(f"{name}-*", {"match_all": {}}, size=100)}
        assert unsorted == set(ids)

    def test_the_sort_is_kept(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, *(event(minute, n=minute * 7 % 20) for minute in range(20)))
        rows = [
            document.source["n"] for document in cluster.scan(name, {"match_all": {}}, sort=[{"n": "desc"}], size=6)
        ]
        assert rows == sorted(range(20), reverse=True)

    def test_later_writes_are_not_seen(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, *(event(minute) for minute in range(9)))
        scan = cluster.scan(name, {"match_all": {}}, size=3)
        next(scan)
        cluster.bulk([Put(name, f"new {n}", event(n)) for n in range(5)], refresh=True)
        assert len(list(scan)) == 8

    def test_a_scanned_document_can_be_compared_and_set(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, "ann", n=1))
        (document,) = cluster.scan(name, {"term": {"n": 1}}, source=["n"])
        assert document.source == {"n": 1}
        cluster.put(name, document.id, {"n": 2}, if_match=document)
        with pytest.raises(Conflict):
            cluster.put(name, document.id, {"n": 3}, if_match=document)

    def test_a_scan_may_be_abandoned(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, *(event(minute) for minute in range(9)))
        scan = cluster.scan(name, {"match_all": {}}, size=2, source=False)
        first = next(scan)
        assert isinstance(first, Document)
        scan.close()  # type: ignore[attr-defined]


class Indices:
    def test_an_index_is_created_and_deleted_once(self, cluster: Cluster, name: str) -> None:
        assert cluster.create_index(name, {"mappings": EVENTS}) is True
        assert cluster.create_index(name, {}) is False
        assert cluster.indices(name) == [name]
        assert cluster.delete_index(name) is True
        assert cluster.delete_index(name) is False

    @pytest.mark.parametrize("pattern", ["*", "_all", "a,b", "a*", "", "-a"])
    def test_only_an_exact_name_is_deleted(self, cluster: Cluster, pattern: str) -> None:
        with pytest.raises(RequestRejected):
            cluster.delete_index(pattern)

    def test_hidden_indices_are_listed_but_not_searched_by_pattern(self, cluster: Cluster, name: str) -> None:
        cluster.create_index(f"{name}-hidden", {"settings": {"index.hidden": True}, "mappings": EVENTS})
        cluster.put(f"{name}-hidden", "a", {"n": 1}, refresh=True)
        assert cluster.indices(f"{name}-*") == [f"{name}-hidden"]
        assert cluster.count(f"{name}-*", {"match_all": {}}) == 0
        assert cluster.count(f"{name}-hidden", {"match_all": {}}) == 1
        hidden_too = IndexOptions(expand_wildcards="open,hidden")
        assert cluster.count(f"{name}-*", {"match_all": {}}, options=hidden_too) == 1

    def test_a_template_comes_back_and_shapes_new_indices(self, cluster: Cluster, name: str) -> None:
        body = {
            "index_patterns": [f"{name}-t-*"],
            "priority": 1_000,
            "template": {
                "settings": {"index.hidden": True, "index.gc_deletes": "1h"},
                "mappings": {"dynamic": False, "properties": {"ip": {"type": "ip"}}},
                "aliases": {f"{name}-alias": {"is_hidden": True}},
            },
            "_meta": {"schema_version": 3},
        }
        assert cluster.get_index_template(f"{name}-template") is None
        cluster.put_index_template(f"{name}-template", body)
        cluster.put_index_template(f"{name}-template", body)
        got = cluster.get_index_template(f"{name}-template")
        assert got is not None
        assert got["_meta"] == {"schema_version": 3}
        assert got["index_patterns"] == [f"{name}-t-*"]
        assert got["template"]["settings"] == {"index": {"hidden": "true", "gc_deletes": "1h"}}
        cluster.bulk([Put(f"{name}-t-{part}", "a", {"ip": "::ffff:1.2.3.4", "n": 1}) for part in "12"], refresh=True)
        assert cluster.count(f"{name}-alias", {"term": {"ip": "1.2.3.4"}}) == 2
        assert cluster.count(f"{name}-alias", {"term": {"n": 1}}) == 0
        mapping = cluster.get_mapping(f"{name}-t-*")
        assert sorted(mapping) == [f"{name}-t-1", f"{name}-t-2"]
        assert mapping[f"{name}-t-1"]["properties"] == {"ip": {"type": "ip"}}

    def test_a_mapping_grows_but_does_not_change(self, cluster: Cluster, name: str) -> None:
        cluster.create_index(name, {"mappings": {"properties": {"n": {"type": "long"}}}})
        cluster.put_mapping(name, {"properties": {"ip": {"type": "ip"}}})
        assert cluster.get_mapping(name)[name]["properties"] == {"n": {"type": "long"}, "ip": {"type": "ip"}}
        with pytest.raises(RequestRejected):
            cluster.put_mapping(name, {"properties": {"n": {"type": "ip"}}})
        with pytest.raises(NotFound):
            cluster.put_mapping(f"{name}-none", {"properties": {"n": {"type": "ip"}}})

    def test_field_types_name_the_indices_of_each_type(self, cluster: Cluster, name: str) -> None:
        one, two, three = (f"{name}-{number}" for number in "123")
        cluster.create_index(one, {"mappings": {"properties": {"ip": {"type": "ip"}, "n": {"type": "long"}}}})
        cluster.create_index(two, {"mappings": {"properties": {"ip": {"type": "keyword"}, "n": {"type": "long"}}}})
        cluster.create_index(three, {"mappings": {"properties": {"n": {"type": "long"}}}})
        assert cluster.field_types(f"{name}-*", ["ip", "n", "none"]) == {
            "ip": {"ip": [one], "keyword": [two]},
            "n": {"long": [one, two, three]},
        }
        assert cluster.field_types([one, three], ["ip"]) == {"ip": {"ip": [one]}}

    def test_field_types_follow_aliases_and_multi_fields(self, cluster: Cluster, name: str) -> None:
        cluster.create_index(name, {"mappings": EVENTS})
        cluster.put(name, "a", {"free": "text"}, refresh=True)
        types = cluster.field_types(name, ["when", "free", "free.keyword"])
        assert types == {"when": {"date": [name]}, "free": {"text": [name]}, "free.keyword": {"keyword": [name]}}


class Contract(Documents, Bulk, Searching, Aggregating, MissingIndices, Scanning, Indices):
    """All of it. A subclass gives the fixtures ``cluster`` and ``name`` (a prefix that nobody else uses)."""
