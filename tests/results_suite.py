"""What the result store promises, for any cluster: run in memory by the unit tests, on real servers by the others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from made_results import HOUR, STAMP, START, annotation, bucket, entity_of, influencer, record, store_of

from ipi_es.cluster.port import Cluster
from ipi_es.errors import LostJob, UsageError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.renormalized import Caps, renormalized, renormalized_bucket
from ipi_es.results.documents.result_documents import Influencer, ResultContext, ResultDocument
from ipi_es.results.reading.overall import OverallFilter, overall
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.reported import Extent, ReportedIp, ReportedMove, ReportedPair
from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS, BUCKET_TIME
from ipi_es.setup import setup_plan


class ResultsSuite:
    """A subclass gives the fixture ``cluster``."""

    @pytest.fixture
    def context(self, cluster: Cluster) -> Iterator[ResultContext]:
        setup_plan.apply(cluster, setup_plan.plan(cluster), force=True)
        name = f"test-{uuid.uuid4().hex[:8]}"
        yield ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
        for index in cluster.indices(f"{ALIAS}-{name}*"):
            cluster.delete_index(index)

    @pytest.fixture
    def store(self, cluster: Cluster, context: ResultContext) -> ResultStore:
        return store_of(cluster, context)

    def test_nothing_was_written_and_nothing_is_found(self, cluster: Cluster) -> None:
        store = ResultStore(cluster, "never-ran")
        assert store.read("record") == []
        assert store.count("bucket") == 0
        assert list(store.scan_window(0, 2**32)) == []
        assert store.recent(0, 2**32, "source.ip") == ([], [], [])
        assert store.drop_vanished(0, 2**32, [], 1) == 0
        assert overall(cluster, {"never-ran": HOUR}) == []

    def test_results_go_there_and_back_over_two_months(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        made = [record(context), record(context, START + HOUR), bucket(context), influencer(context)]
        assert store.write(made, 1) == 4
        cluster.refresh(ALIAS)
        assert len(cluster.indices(f"{ALIAS}-{context.job_id}*")) == 2
        found = store.read("record", ResultFilter(START, START + 2 * HOUR))
        assert {each.id: each.source for each in found} == {each.id: each.source for each in made[:2]}
        assert [each.source for each in store.read("bucket")] == [made[2].source]
        assert [each.source for each in store.read("influencer")] == [made[3].source]
        assert store.count("record") == 2

    def test_end_of_the_range_is_exclusive(self, cluster: Cluster, context: ResultContext, store: ResultStore) -> None:
        store.write([bucket(context, START + hour * HOUR) for hour in range(3)], 1)
        cluster.refresh(ALIAS)
        found = store.read("bucket", ResultFilter(START, START + 2 * HOUR), sort="timestamp", desc=False)
        assert [each.source["timestamp"] for each in found] == [START * 1_000, (START + HOUR) * 1_000]

    def test_what_is_new_can_be_asked_for(self, cluster: Cluster, context: ResultContext, store: ResultStore) -> None:
        made = [record(context), record(context, START + HOUR), record(context, START + 2 * HOUR), bucket(context)]
        made[1].source["repeat_of"] = made[0].id
        made[2].source["suppressed_by"] = "vpn"
        news = bucket(context, START + HOUR)
        news.source["new_record_count"] = 1
        made[3].source["new_record_count"] = 0
        store.write([*made, news], 1)
        cluster.refresh(ALIAS)
        assert [each.id for each in store.read("record", ResultFilter(new=True))] == [made[0].id]
        assert [each.id for each in store.read("bucket", ResultFilter(new=True))] == [news.id]
        assert len(store.read("record")) == 3

    def test_jobs_are_kept_apart(self, cluster: Cluster, context: ResultContext, store: ResultStore) -> None:
        other = replace(context, job_id=f"{context.job_id}-2")
        store.write([record(context)], 1)
        store_of(cluster, other).write([record(other), bucket(other)], 1)
        cluster.refresh(ALIAS)
        assert [each.source["job_id"] for each in store.read("record")] == [context.job_id]
        assert store.drop_vanished(START, START + HOUR, [], 1) == 1
        assert store_of(cluster, other).count("record") == 1

    def test_worst_come_first_and_ties_in_order(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context, entity=f"u{n}", score=score) for n, score in enumerate([10, 90, 50, 90])], 1)
        cluster.refresh(ALIAS)
        assert [entity_of(each) for each in store.read("record")] == ["u1", "u3", "u2", "u0"]
        assert [entity_of(each) for each in store.read("record", ResultFilter(min_score=50), size=2)] == ["u1", "u3"]
        assert [entity_of(each) for each in store.read("record", desc=False, size=1)] == ["u0"]
        assert [entity_of(each) for each in store.read("record", ResultFilter(entity="u2", ip="198.51.100.7"))] == [
            "u2"
        ]
        assert [entity_of(each) for each in store.read("record", size=20_000)] == ["u1", "u3", "u2", "u0"]
        with pytest.raises(UsageError, match="sort by one of"):
            store.read("record", sort="wrong")

    def test_flat_fields_filter_results_as_they_filter_events(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context), record(context, entity="bob", ip="2001:db8::1")], 1)
        cluster.refresh(ALIAS)
        mine = {"term": {"job_id": context.job_id}}
        for field, value in (("user.name", "bob"), ("source.ip", "2001:db8::1")):
            assert cluster.count(ALIAS, {"bool": {"filter": [mine, {"term": {field: value}}]}}) == 1
        assert cluster.count(ALIAS, {"bool": {"filter": [mine, {"range": {"@timestamp": {"gte": "2026-05-31"}}}]}}) == 2

    def test_scoring_a_bucket_again_overwrites_it(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        for version, score in ((1, 10.0), (1, 20.0), (2, 30.0)):
            store.write([record(context, score=score)], version)
        cluster.refresh(ALIAS)
        assert [each.source["record_score"] for each in store.read("record")] == [30.0]

    def test_replaced_worker_can_neither_write_nor_delete(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context, score=30)], 5)
        with pytest.raises(LostJob, match="another worker"):
            store.write([record(context, score=99)], 4)
        cluster.refresh(ALIAS)
        with pytest.raises(LostJob):
            store.drop_vanished(START, START + HOUR, [], 4)
        assert store.drop_vanished(START, START + HOUR, [], 6) == 1
        with pytest.raises(LostJob):
            store.write([record(context, score=99)], 5)

    def test_what_a_new_run_does_not_produce_again_vanishes(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        before = [record(context), record(context, entity="bob"), influencer(context), bucket(context)]
        outside = [record(context, START - HOUR), record(context, START + HOUR)]
        note = annotation(context)
        store.write([*before, *outside, note], 1)
        again = [before[0], before[3]]
        store.write(again, 2)
        assert store.drop_vanished(START, START + HOUR, {each.id for each in again}, 2) == 2
        assert store.drop_vanished(START, START + HOUR, {each.id for each in again}, 2) == 0
        cluster.refresh(ALIAS)
        assert {each.id for each in store.read("record")} == {each.id for each in [before[0], *outside]}
        assert store.read("influencer") == []
        assert store.count("bucket") == 1
        everything = {"bool": {"filter": [{"term": {"job_id": context.job_id}}]}}
        assert note.id in {each.id for each in cluster.scan(ALIAS, everything)}

    def test_renormalization_sees_final_results_and_writes_them_back(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        interim = replace(STAMP, is_interim=True)
        store.write(
            [record(context), bucket(context), annotation(context), bucket(context, START + HOUR, stamp=interim)], 1
        )
        window = list(store.scan_window(START, START + 2 * HOUR))
        assert sorted(each.source["result_type"] for each in window) == ["bucket", "record"]
        changed = []
        for each in window:
            if each.source["result_type"] == "record":
                source = renormalized(
                    each.source, score=12.5, quantiles_id="q-2", at=START, caps=Caps(12.5, 99, 99, "rank")
                )
            else:
                source = renormalized_bucket(each.source, scores={BUCKET_TIME: 7.0}, quantiles_id="q-2", at=START)
            changed.append(replace(each, source=source))
        assert store.rewrite(changed, 2) == 2
        with pytest.raises(LostJob):
            store.rewrite(changed, 1)
        cluster.refresh(ALIAS)
        (found,) = store.read("record")
        assert (found.source["record_score"], found.source["initial_record_score"]) == (12.5, 80.0)
        (found,) = store.read("bucket", ResultFilter(interim=False))
        assert (found.source["anomaly_score"], found.source["initial_anomaly_score"]) == (7.0, 40.0)
        assert found.source["bucket_influencers"][0]["anomaly_score"] == 7.0

    @pytest.mark.parametrize("remembered", [0, 1, 2, 1_000])
    def test_documents_are_found_by_their_place(
        self, cluster: Cluster, context: ResultContext, remembered: int
    ) -> None:
        store = store_of(cluster, context, page=2, remembered=remembered)
        made = [bucket(context, START + hour * HOUR) for hour in range(3)]
        store.write(made, 1)
        places = [(each.index, each.id) for each in made]
        gone = (made[0].index, "gone")
        found = store.by_place([places[2], gone, places[0], places[1]])
        assert [each.source for each in found] == [made[2].source, made[0].source, made[1].source]
        assert store.by_place([]) == ResultStore(cluster, "never-ran").by_place(places) == []
        store.rewrite([replace(found[1], source={**found[1].source, "event_count": 77})], 2)
        assert [each.source["event_count"] for each in store.by_place(places[:2])] == [
            77,
            made[1].source["event_count"],
        ]
        store.delete(list(store.every()), 3)
        assert store.by_place(places) == []

    def test_repeats_are_recognized_by_first_records_and_critical_ips(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        first, repeat = record(context), record(context, START + HOUR, repeat_of="x")
        suppressed = record(context, entity="bob", suppressed_by="vpn")
        loud, quiet = influencer(context, score=75), influencer(context, ip="192.0.2.1", score=74.9)
        again = influencer(context, START + HOUR, score=99, repeat_of="x")
        open_still = record(context, entity="carol", stamp=replace(STAMP, is_interim=True))
        entity = Influencer(
            start=START, field="user.name", value="alice", probability=1e-9, influencer_score=99
        ).document(context, STAMP)
        store.write([first, repeat, suppressed, loud, quiet, again, open_still, entity], 1)
        pairs, ips, moves = store.recent(START, START + 2 * HOUR, "source.ip")
        assert moves == []
        assert pairs == [ReportedPair("alice", "198.51.100.7", START, first.id, Extent(first.source["record_score"]))]
        assert ips == [ReportedIp("198.51.100.7", START, loud.id, Extent(75.0))]
        assert store.recent(START + 1, START + 2 * HOUR, "source.ip") == ([], [], [])

    def test_moves_are_recognized_by_the_influencers_that_report_them(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        def reporting(start: int, score: float, **more: Any) -> ResultDocument:
            move = {"network": "198.51.100.0/24", "former_networks": ["192.0.2.0/24"], "entity_count": 9}
            return influencer(context, start, score=score, move=move, **more)

        first, again = reporting(START, 60), reporting(START + HOUR, 80, repeat_of="x")
        expected = reporting(START + 2 * HOUR, 90, suppressed_by="vpn")
        store.write([first, again, expected, influencer(context, START + 3 * HOUR, score=99)], 1)
        former = ("192.0.2.0/24",)
        moves = [
            ReportedMove("198.51.100.0/24", START, first.id, 60.0, former),
            ReportedMove("198.51.100.0/24", START + HOUR, again.id, 80.0, former, repeats=True),
        ]
        assert store.recent(START + HOUR, START + 9 * HOUR, "source.ip", moves_from=START).moves == moves
        assert store.recent(START + HOUR, START + 9 * HOUR, "source.ip").moves == moves[1:]

    def test_overall_score_is_the_mean_of_the_worst_jobs(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        other = replace(context, job_id=f"{context.job_id}-2")
        store.write([bucket(context, score=20), bucket(context, START + HOUR, score=60)], 1)
        store_of(cluster, other).write([bucket(other, score=40), bucket(other, START + 3 * HOUR, score=5)], 1)
        cluster.refresh(ALIAS)
        jobs = {context.job_id: HOUR, other.job_id: HOUR}
        rows = overall(cluster, jobs, OverallFilter(START, START + 4 * HOUR, top_n=2))
        assert [(row["timestamp"] // 1_000 - START, row["overall_score"]) for row in rows] == [
            (0, 30.0),
            (HOUR, 60.0),
            (3 * HOUR, 5.0),
        ]
        assert rows[0]["jobs"] == [
            {"job_id": context.job_id, "max_anomaly_score": 20.0},
            {"job_id": other.job_id, "max_anomaly_score": 40.0},
        ]
        worst = overall(cluster, jobs, OverallFilter(START, START + 4 * HOUR, min_score=40))
        assert [row["overall_score"] for row in worst] == [40.0, 60.0]

    def test_overall_score_counts_nothing_of_scheduled_events_and_closing_verdicts(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        closed = bucket(context, START, score=80)  # the next buckets are of the next day
        closed.source["verdict"] = "safe"
        planned = bucket(context, START + HOUR, score=60, stamp=replace(STAMP, scheduled_events=["move", "audit"]))
        store.write([closed, planned, bucket(context, START + 2 * HOUR, score=20)], 1)
        cluster.refresh(ALIAS)
        jobs = {context.job_id: HOUR}
        assert [row["overall_score"] for row in overall(cluster, jobs)] == [0.0, 0.0, 20.0]
        days = overall(cluster, jobs, OverallFilter(bucket_span=24 * HOUR))
        assert [row["jobs"] for row in days] == [
            [{"job_id": context.job_id, "max_anomaly_score": 0.0}],
            [{"job_id": context.job_id, "max_anomaly_score": 20.0, "scheduled_events": ["audit", "move"]}],
        ]

    def test_jobs_whose_fields_contradict_are_told_before_anything_is_written(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context)], 1)
        other = replace(context, job_id=f"{context.job_id}-2", entity_field="user", influencers=())
        with pytest.raises(UsageError, match="results_index_name"):
            store_of(cluster, other).write([record(other)], 1)
        swapped = replace(other, entity_field="user.name.first")
        with pytest.raises(UsageError, match="results_index_name"):
            store_of(cluster, swapped).write([record(swapped)], 1)
        typed = replace(other, entity_field="source.ip", ip_field="client.ip")
        with pytest.raises(UsageError, match="it is ip there, and keyword here"):
            store_of(cluster, typed).write([record(typed)], 1)
        assert store_of(cluster, other).count("record") == 0

    def test_job_with_other_fields_joins_an_index(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context)], 1)
        other = replace(context, job_id=f"{context.job_id}-2", entity_field="user.email", ip_field="client.ip")
        store_of(cluster, other).write([record(other)], 1)
        cluster.refresh(ALIAS)
        filters = [{"term": {"job_id": other.job_id}}, {"term": {"client.ip": "198.51.100.0/24"}}]
        assert cluster.count(ALIAS, {"bool": {"filter": filters}}) == 1

    def test_more_results_than_a_page_are_read_and_vanish(self, cluster: Cluster, context: ResultContext) -> None:
        store = store_of(cluster, context, page=100)
        store.write([record(context, entity=f"u{number}", score=number / 10) for number in range(205)], 1)
        cluster.refresh(ALIAS)
        found = store.read("record", size=204)
        assert [entity_of(each) for each in found] == [f"u{number}" for number in range(204, 0, -1)]
        assert store.drop_vanished(START, START + HOUR, [], 1) == 205

    def test_long_names_are_taken(self, cluster: Cluster, context: ResultContext, store: ResultStore) -> None:
        long = "ü" * 20_000
        store.write([record(context, entity=long)], 1)
        cluster.refresh(ALIAS)
        assert [entity_of(each) for each in store.read("record")] == [long]

    def test_all_results_of_a_job_can_be_deleted(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        store.write([record(context), bucket(context), annotation(context)], 1)
        assert store.delete(list(store.every()), 2) == 3
        cluster.refresh(ALIAS)
        assert store.count("bucket") == 0

    def test_annotations_are_said_once_and_found_where_they_overlap(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        late = Annotation("delayed_data", START, START + HOUR, "12 events came late")
        blind = Annotation("blind", START + HOUR, START + 5 * HOUR, "no events")
        assert store.annotate([late, blind], context, STAMP, 1) == 2
        again = replace(STAMP, ingested=START + HOUR)
        assert store.annotate([late, blind], context, again, 1) == 0
        assert store.annotate([replace(blind, end=START + 6 * HOUR), late], context, again, 1) == 1
        assert store.annotate([replace(late, parts=("other",))], context, again, None) == 1
        assert store.annotate([], context, again, 1) == 0
        cluster.refresh(ALIAS)
        found = store.annotations()
        assert [each.source["annotation_type"] for each in found] == ["blind", "delayed_data", "delayed_data"]
        assert found[0].source["end_timestamp"] == (START + 6 * HOUR) * 1_000
        assert len(store.annotations(START + 2 * HOUR, START + 3 * HOUR)) == 1
        assert store.annotations(START + 6 * HOUR, START + 7 * HOUR) == []
        assert store.annotations(START - HOUR, START) == []
        assert len(store.annotations(types=["delayed_data", "user"])) == 2

    def test_annotations_are_fenced_and_no_results(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        late = Annotation("delayed_data", START, START + HOUR, "12 events came late")
        store.annotate([late], context, STAMP, 2)
        with pytest.raises(LostJob):
            store.annotate([replace(late, text="13 events came late")], context, STAMP, 1)
        cluster.refresh(ALIAS)
        assert store.of_bucket(START, HOUR) == {}
        assert store.drop_vanished(START, START + HOUR, [], 3) == 0

    def test_final_buckets_tell_how_they_came_about(
        self, cluster: Cluster, context: ResultContext, store: ResultStore
    ) -> None:
        interim = replace(STAMP, is_interim=True)
        seen = {"events_digest": "00ab", "events_seq_no": "8-36"}
        made = [bucket(context, START + HOUR, stamp=replace(STAMP, revision=2), **seen), bucket(context)]
        store.write([*made, bucket(context, START + 2 * HOUR, stamp=interim), record(context)], 1)
        assert store.final_buckets(START, START + 3 * HOUR) == [
            FinalBucket(START, HOUR, 9, "snap-1", 0),
            FinalBucket(START + HOUR, HOUR, 9, "snap-1", 2, "00ab", "8-36"),
        ]
        assert store.of_bucket(START, HOUR) == {each.id: each.source for each in (made[1], record(context))}

    @pytest.mark.parametrize("newer", ["aaa", "zzz"])
    def test_of_two_buckets_of_one_start_the_later_revision_is_the_final_one(
        self, cluster: Cluster, context: ResultContext, store: ResultStore, newer: str
    ) -> None:
        other = replace(context, results_index_name=f"{newer}-{context.results_index_name}")
        store.write([bucket(context)], 1)
        store_of(cluster, other).write([bucket(other, stamp=replace(STAMP, revision=1))], 1)
        assert [each.revision for each in store.final_buckets(START, START + HOUR)] == [1]
