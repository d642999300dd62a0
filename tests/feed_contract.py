"""What the datafeed reads from a cluster: one suite for the cluster in memory and for real servers.

A class that inherits :class:`FeedContract` gets ``cluster`` and ``name`` (an unused index name) as fixtures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from ipi_es.cluster.port import Cluster, Drop, IndexOptions, Json, Put
from ipi_es.config import check_job
from ipi_es.config.entity_names import EntitySource
from ipi_es.datafeed.bucket_counts import BucketCounts, counts_of
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.searches.folded_fields import with_folded_fields
from ipi_es.datafeed.spec import FeedSpec

SPAN = 3_600
START = 1_772_323_200
MAPPINGS: Json = {
    "properties": {
        "@timestamp": {"type": "date"},
        "event": {"properties": {"category": {"type": "keyword"}, "outcome": {"type": "keyword"}}},
        "user": {
            "properties": {
                "name": {"type": "keyword"},
                "email": {"type": "keyword"},
                "id": {"type": "long"},
                "roles": {"type": "keyword"},
            }
        },
        "source": {"properties": {"ip": {"type": "ip"}, "address": {"type": "keyword"}}},
    }
}


def document(ms: int, entity: Any = "alice", ip: Any = "192.0.2.1", outcome: Any = "success") -> Json:
    found: Json = {"@timestamp": START * 1_000 + ms, "event": {"category": "authentication"}}
    if outcome is not None:
        found["event"]["outcome"] = outcome
    if entity is not None:
        found["user"] = {"name": entity}
    if ip is not None:
        found["source"] = {"ip": ip, "address": ip}
    return found


def fill(cluster: Cluster, index: str, documents: Iterable[Json], mappings: Json = MAPPINGS) -> None:
    cluster.create_index(index, {"mappings": mappings})
    cluster.bulk([Put(index, str(n), one) for n, one in enumerate(documents)])
    cluster.refresh(index)


def rows(bucket: EventBucket) -> dict[tuple[str, str, str], int]:
    columns = (bucket.entity.tolist(), bucket.ip.tolist(), bucket.outcome.tolist(), bucket.count.tolist())
    return {
        (bucket.entities[entity], bucket.ips[ip], bucket.outcomes[outcome]): count
        for entity, ip, outcome, count in zip(*columns, strict=True)
    }


class FeedContract:
    def test_edges_of_buckets(self, cluster: Cluster, name: str) -> None:
        last = SPAN * 1_000 - 1
        fill(cluster, name, [document(-1), document(0), document(last), document(last + 1), document(2 * (last + 1))])
        buckets = list(Datafeed(cluster, FeedSpec((name,))).read(START, START + 2 * SPAN, SPAN))
        assert [(bucket.start, bucket.event_count) for bucket in buckets] == [(START, 2), (START + SPAN, 1)]
        assert [sum(rows(bucket).values()) for bucket in buckets] == [2, 1]

    def test_pages_and_stretches_lose_nothing(self, cluster: Cluster, name: str) -> None:
        documents = [
            document(ms=n * 77_777 % (9 * SPAN * 1_000), entity=f"u{n % 13}", ip=f"192.0.2.{n % 17}")
            for n in range(400)
        ]
        fill(cluster, name, documents)
        for page_size in (7, 50, 20_000):
            feed = Datafeed(cluster, FeedSpec((name,), page_size=page_size))
            for bucket in feed.read(START, START + 10 * SPAN, SPAN):
                mine = [one for one in documents if bucket.start <= one["@timestamp"] / 1_000 < bucket.end]
                expected: dict[tuple[str, str, str], int] = {}
                for one in mine:
                    key = (one["user"]["name"], one["source"]["ip"], "success")
                    expected[key] = expected.get(key, 0) + 1
                assert rows(bucket) == expected
                assert bucket.event_count == len(mine)

    def test_missing_fields_and_spellings(self, cluster: Cluster, name: str) -> None:
        documents = [
            document(1, entity=None),
            document(2, ip=None),
            document(3, outcome=None),
            document(4, ip="::ffff:192.0.2.1"),
            document(5, ip="2001:DB8:0::1"),
            document(6, entity=["a", "b"], ip=["192.0.2.1", "192.0.2.2"]),
            document(7, outcome="failure"),
        ]
        fill(cluster, name, documents)
        (bucket,) = Datafeed(cluster, FeedSpec((name,))).read(START, START + SPAN, SPAN)
        assert bucket.event_count == 7
        assert bucket.dropped == Dropped(missing_entity=1, missing_ip=1)
        assert rows(bucket) == {
            ("alice", "192.0.2.1", "unknown"): 1,
            ("alice", "192.0.2.1", "success"): 1,
            ("alice", "192.0.2.1", "failure"): 1,
            ("alice", "2001:db8::1", "success"): 1,
            **{(entity, ip, "success"): 1 for entity in ("a", "b") for ip in ("192.0.2.1", "192.0.2.2")},
        }

    def test_addresses_in_a_keyword_field(self, cluster: Cluster, name: str) -> None:
        ips = ["192.0.2.1", "::ffff:192.0.2.1", "2001:DB8::1", "10.0.0.1"]
        documents = [document(n, ip=ip) for n, ip in enumerate(ips)]
        documents.append({**document(9), "source": {"address": "mail.example"}})
        fill(cluster, name, documents)
        spec = FeedSpec((name,), ip_field="source.address", ignore_private=True)
        (bucket,) = Datafeed(cluster, spec).read(START, START + SPAN, SPAN)
        assert rows(bucket) == {("alice", "192.0.2.1", "success"): 2, ("alice", "2001:db8::1", "success"): 1}
        assert bucket.dropped == Dropped(malformed_ip=1, private_ip=1)

    def test_an_entity_is_named_by_the_first_of_its_fields_that_are_there(self, cluster: Cluster, name: str) -> None:
        users: list[Json] = [
            {"email": "ann@corp.example", "name": "ann", "id": 7},
            {"email": "-", "name": "ann@corp.example"},  # "-" stands for no value
            {"email": " ", "id": 8},
            {"name": "bob", "id": 8},
            {"name": ["carl", "dora"]},
            {"id": 9},
            {"email": "-"},
            {},
        ]
        documents = [{**document(n % 2 * SPAN * 1_000 + n), "user": user} for n, user in enumerate(users)]
        fill(cluster, name, [*documents, {**document(20), "user": {"id": 9}}])
        sources = tuple(map(EntitySource.parse, ("user.email", "user.upn", "{user.name}", "id-{user.id}")))
        for page_size in (2, 100):
            spec = FeedSpec((name,), entity_sources=sources, page_size=page_size)
            first, second = Datafeed(cluster, spec).read(START, START + 2 * SPAN, SPAN)
            assert {who: count for (who, *_), count in rows(first).items()} == {
                "ann@corp.example": 1,
                "id-8": 1,
                "carl": 1,
                "dora": 1,
                "id-9": 1,
            }
            assert {who: count for (who, *_), count in rows(second).items()} == {
                "ann@corp.example": 1,
                "bob": 1,
                "id-9": 1,
            }
            assert [each.dropped for each in (first, second)] == [Dropped(missing_entity=1), Dropped(missing_entity=1)]

    def test_an_entity_of_several_fields_needs_them_all(self, cluster: Cluster, name: str) -> None:
        hosts = [("web", "root"), ("db", "root"), ("db", None), (None, "root"), ("db", "root")]
        documents = [document(n, entity=who) for n, (_, who) in enumerate(hosts)]
        for each, (host, _) in zip(documents, hosts, strict=True):
            each["host"] = {} if host is None else {"name": host}
        cluster.create_index(
            name, {"mappings": {"properties": {**MAPPINGS["properties"], "host.name": {"type": "keyword"}}}}
        )
        cluster.bulk([Put(name, str(n), one) for n, one in enumerate(documents)], refresh=True)
        spec = FeedSpec((name,), entity_sources=(EntitySource.parse("{host.name}/{user.name}"),))
        feed = Datafeed(cluster, spec)
        (bucket,) = feed.read(START, START + SPAN, SPAN)
        assert {who: count for (who, *_), count in rows(bucket).items()} == {"web/root": 1, "db/root": 2}
        assert bucket.dropped == Dropped(missing_entity=2)
        assert feed.recalled(START, START + SPAN, SPAN) == {START: counts_of(bucket)}

    def test_groups_of_entities_come_from_a_field(self, cluster: Cluster, name: str) -> None:
        users: list[Json] = [
            {"name": "Ann", "roles": ["staff", "admins"]},
            {"name": "ann", "roles": "finance"},
            {"name": "bob"},
            {"name": "carl", "roles": [f"r{n}" for n in range(9)]},
            {"roles": ["nobody"]},
            {"name": "Ann", "roles": "guests"},
        ]
        documents = [{**document(n // 5 * SPAN * 1_000 + n), "user": user} for n, user in enumerate(users)]
        fill(cluster, name, documents)
        for page_size in (2, 100):
            spec = FeedSpec((name,), entity_normalize=("lowercase",), group_field="user.roles", page_size=page_size)
            first, second = Datafeed(cluster, spec).read(START, START + 2 * SPAN, SPAN)
            assert first.entity_groups == {
                "ann": ("admins", "finance", "staff"),
                "carl": tuple(f"r{n}" for n in range(9)),
            }
            assert second.entity_groups == {"ann": ("guests",)}
            assert {who: count for (who, *_), count in rows(first).items()} == {"ann": 2, "bob": 1, "carl": 1}
            without = next(Datafeed(cluster, replace(spec, group_field=None)).read(START, START + SPAN, SPAN))
            assert without.entity_groups == {}
            assert first.digest() != without.digest()
        cluster.bulk([Put(name, "1", {**documents[1], "user": {"name": "ann", "roles": "sales"}})])
        cluster.refresh(name)
        changed = next(Datafeed(cluster, spec).read(START, START + SPAN, SPAN))
        assert changed.entity_groups["ann"] == ("admins", "sales", "staff")
        assert changed.digest() != first.digest()

    def test_only_wanted_outcomes_are_read_and_all_are_counted(self, cluster: Cluster, name: str) -> None:
        outcomes = ["success", "failure", None, "unknown"]
        fill(cluster, name, [document(n, entity=f"u{n}", outcome=outcome) for n, outcome in enumerate(outcomes)])
        for wanted, expected in [
            (("success",), {"u0"}),
            (("success", "failure"), {"u0", "u1"}),
            (("unknown",), {"u2", "u3"}),
            (("failure", "unknown"), {"u1", "u2", "u3"}),
        ]:
            spec = FeedSpec((name,), outcomes=wanted, query={"term": {"event.category": "authentication"}}, page_size=1)
            (bucket,) = Datafeed(cluster, spec).read(START, START + SPAN, SPAN)
            assert set(bucket.entities) == expected
            assert bucket.event_count == 4

    def test_totals_and_time_range(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, [document(1_500), document(2_000, entity="bob"), document(9_000, ip=None)])
        feed = Datafeed(cluster, FeedSpec((name,)))
        assert feed.time_range() == (START + 1, START + 10)
        assert feed.event_counts(START, START + SPAN, SPAN) == {START: 3}

    def test_counts_are_recalled_as_they_were_read(self, cluster: Cluster, name: str) -> None:
        events = [document(n, outcome=outcome) for n, outcome in enumerate(["success", "success", "failure", None])]
        events += [document(9, ip=None), document(8, entity=None, outcome="failure"), document(7, outcome="Success")]
        fill(cluster, name, [*events, document(SPAN * 1_000)])
        outcomes = ("success", "failure", "unknown")
        feed = Datafeed(cluster, FeedSpec((name,), outcomes=outcomes))
        found = feed.recalled(START, START + 3 * SPAN, SPAN)
        first = BucketCounts(7, 1, 1, outcomes={"success": 2, "failure": 1, "unknown": 1})
        assert found == {START: first, START + SPAN: BucketCounts(1, outcomes={"success": 1})}
        assert [counts_of(bucket) for bucket in feed.read(START, START + 2 * SPAN, SPAN)] == list(found.values())
        assert feed.outcome_words(START, START + SPAN) == {"success": 3, "failure": 2, "Success": 1}
        without = Datafeed(cluster, FeedSpec((name,), outcome_field=None))
        assert without.recalled(START, START + SPAN, SPAN)[START].outcomes == {"success": 5}
        assert without.outcome_words(START, START + SPAN) == {}

    def test_digest_and_sequence_numbers_tell_of_rows_that_changed(self, cluster: Cluster, name: str) -> None:
        fill(cluster, name, [document(n, entity=f"u{n % 3}", ip=f"192.0.2.{n}") for n in range(9)])
        feed = Datafeed(cluster, FeedSpec((name,)))
        seen = [self._seen(cluster, name, feed)]
        cluster.put(name, "4", document(4, entity="u1", ip="192.0.2.99"))
        seen.append(self._seen(cluster, name, feed))
        cluster.bulk([Drop(name, "5"), Put(name, "x", document(5, entity="other", ip="192.0.2.5"))])
        seen.append(self._seen(cluster, name, feed))
        cluster.put(name, "6", {**document(6, entity="u0", ip="192.0.2.6"), "note": "not read"})
        seen.append(self._seen(cluster, name, feed))
        assert {events for events, _, _ in seen} == {9}
        assert len({seq_no for _, seq_no, _ in seen}) == 4
        digests = [digest for _, _, digest in seen]
        assert len(set(digests)) == 3
        assert digests[2] == digests[3]

    @staticmethod
    def _seen(cluster: Cluster, name: str, feed: Datafeed) -> tuple[int, str | None, str]:
        cluster.refresh(name)
        (bucket,) = feed.read(START, START + SPAN, SPAN)
        (counted,) = feed.counted(START, START + SPAN, SPAN).values()
        assert (counted.events, counted.seq_no) == (bucket.event_count, bucket.seq_no)
        assert bucket.seq_no is not None
        return bucket.event_count, bucket.seq_no, bucket.digest()

    @pytest.mark.parametrize("days_later", [0, 400])
    @pytest.mark.parametrize(
        ("names", "others", "folded"),
        [
            (["Alice", "bob", ["Carol", "dora"]], [], {"user.name", "user.roles"}),
            (["alice"], ["alice"], {"user.roles"}),  # another index has names as they are written
            (["ålice", "7"], [], {"user.roles"}),  # nothing to try
        ],
    )
    def test_a_normalizer_is_found_by_names_in_capitals(
        self, cluster: Cluster, name: str, days_later: int, names: list[Any], others: list[str], folded: set[str]
    ) -> None:
        keyword = {"type": "keyword", "normalizer": "lowercase"}
        people = {"properties": {"name": keyword, "roles": keyword}}
        documents = [document(n, entity=each) for n, each in enumerate(names)]
        for each in documents:
            each["user"]["roles"] = ["Admins", "staff"]
        fill(cluster, f"{name}-a", documents, {"properties": {**MAPPINGS["properties"], "user": people}})
        fill(cluster, f"{name}-b", [document(n, entity=each) for n, each in enumerate(others)])
        job = check_job(
            {
                "job_id": "x",
                "datafeed_config": {"indices": f"{name}-*", "entity_normalize": []},
                "entity_groups": {"field": "user.roles"},
            }
        )
        found = with_folded_fields(cluster, job, START + days_later * 86_400)
        assert found == job.with_folded(folded)
        assert found.entity_steps == (("lowercase",) if "user.name" in folded else ())
        assert found.folds_groups

    def test_missing_index_is_an_empty_feed_where_the_options_allow_it(self, cluster: Cluster, name: str) -> None:
        feed = Datafeed(cluster, FeedSpec((f"{name}-*",), options=IndexOptions()))
        assert [bucket.event_count for bucket in feed.read(START, START + 2 * SPAN, SPAN)] == [0, 0]
        assert feed.time_range() is None
