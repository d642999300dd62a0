"""What every implementation of the cluster port promises of writing, and of indices."""

from __future__ import annotations

import pytest
from cluster_contract_events import EVENTS, found

from ipi_es.cluster.port import Cluster, Drop, IndexOptions, Put
from ipi_es.errors import BulkFailed, Conflict, NotFound, PermissionDenied, RequestRejected


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

    def test_nothing_is_written_or_made_where_an_alias_is_required(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(NotFound):
            cluster.put(name, "a", {"n": 1}, require_alias=True)
        assert cluster.indices(name) == []
        cluster.put(name, "a", {"n": 1})
        with pytest.raises(NotFound):
            cluster.put(name, "a", {"n": 2}, require_alias=True)

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


class Indices:
    def test_an_index_without_shards_is_refused_and_not_made(self, cluster: Cluster, name: str) -> None:
        with pytest.raises(RequestRejected):
            cluster.create_index(name, {"settings": {"index.number_of_shards": 0}})
        assert cluster.indices(name) == []

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

    def test_calendars_of_elastic_ml_are_read_or_refused_with_another_way(self, cluster: Cluster, name: str) -> None:
        try:
            hint = [str(each["count"]) for each in cluster.admin.elastic_calendars()]
        except (NotFound, PermissionDenied) as refused:
            hint = refused.hint
        assert hint == ["0", "0"] or "--calendars and --calendar-events" in str(hint)

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
