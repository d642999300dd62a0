"""What every implementation of the cluster port promises of reading."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_contract_events import DAY, EVENTS, IP, MINUTE, STRICT, USER, event, fill, found, pages

from ipi_es.cluster.port import Cluster, Document, Put
from ipi_es.errors import Conflict, NotFound, RequestRejected
from ipi_es.results.reading.queries import matching


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
        assert found(cluster, name, {"term": {"source.ip": "2001:db8::/47"}}) == ["1"]
        assert found(cluster, name, {"exists": {"field": "source.ip"}}) == ["0", "1"]

    def test_only_the_star_of_a_pattern_stands_for_other_text(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, *(event(0, user) for user in ("a?b", "axb", "a\\b", "a[x]b", "a*b")))
        for pattern, ids in (("a?*", ["0"]), ("a\\*", ["2"]), ("*[x]*", ["3"]), ("a*b", ["0", "1", "2", "3", "4"])):
            assert found(cluster, name, matching("user.name", pattern)) == ids, pattern

    @pytest.mark.parametrize(
        ("pattern", "fold", "ids"),
        [
            ("an*", False, ["0", "3"]),
            ("AN*", True, ["0", "1", "3"]),
            ("an\\*", False, ["3"]),
            ("c\\\\*", False, ["2"]),
            ("*?n", False, ["0", "1", "4"]),
            ("\u00c4nn", True, []),  # letters beyond ASCII keep their case
        ],
    )
    def test_a_wildcard_matches_whole_values(
        self, cluster: Cluster, name: str, pattern: str, fold: bool, ids: list[str]
    ) -> None:
        fill(cluster, name, event(0, "ann"), event(1, "Ann"), event(2, "c\\d"), event(3, "an*"), event(4, "\u00e4nn"))
        assert found(cluster, name, {"wildcard": {"user.name": {"value": pattern, "case_insensitive": fold}}}) == ids

    def test_a_phrase_is_found_in_text_whatever_its_case(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, event(0, message="sshd[1]: Failed password"), event(1, message="password failed"))
        assert found(cluster, name, {"match_phrase": {"message": "failed PASSWORD"}}) == ["0"]

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
            "numbers": {"stats": {"field": "n"}},
            "last": {"max": {"field": "@timestamp"}},
            "without": {"missing": {"field": "user.name"}},
            "nothing": {"max": {"field": "x"}},
        }
        answer = cluster.search(name, {"size": 0, "aggs": aggs})["aggregations"]
        values = {key: answer[key]["value"] for key in aggs if key not in {"numbers", "without"}}
        assert values == {
            "users": 2, "values": 3, "least": 2, "most": 4, "sum": 6, "last": DAY + 2 * MINUTE, "nothing": None,
        }  # fmt: skip
        assert answer["numbers"] == {"count": 2, "min": 2, "max": 4, "avg": 3, "sum": 6}
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
