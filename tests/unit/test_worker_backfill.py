"""Backfills in memory: what is planned, scored, left out, and refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, HOUR, SCORED_FROM, SCORED_TO

from ipi_es.errors import JobChanged, SnapshotForeign, SnapshotMissing, UsageError
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.store import ResultStore
from ipi_es.results.words import RESULT_KINDS
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.state.quantiles_store import QuantilesStore, SavedQuantiles
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import to_ms
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring import batch as batches
from ipi_es.worker.scoring.dry_run import AlertCounts
from ipi_es.worker.scoring.normalizer_state import NormalizerState

JOB = company.make_job()
MIDDAY = SCORED_FROM + DAY + 12 * HOUR


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def done(trained: MemoryCluster) -> MemoryCluster:
    """After a backfill of all days."""
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB)
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def state_of(cluster: MemoryCluster) -> Any:
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    return state


def test_every_bucket_of_the_range_is_written_the_empty_ones_too(done: MemoryCluster) -> None:
    buckets = parts.of_kind(parts.results(done, JOB), "bucket")
    assert [each["timestamp"] // 1_000 for each in buckets] == list(range(SCORED_FROM, SCORED_TO, 3 * HOUR))
    empty = [each for each in buckets if not each["event_count"]]
    assert len(empty) > 8  # a whole day, and nights
    assert {(each["anomaly_score"], each["record_count"], len(each["top_ips"])) for each in empty} == {(0.0, 0, 0)}


def test_every_influencer_has_a_child_and_every_bucket_counts_its_records(done: MemoryCluster) -> None:
    found = parts.results(done, JOB)
    records, influencers = parts.of_kind(found, "record"), parts.of_kind(found, "influencer")
    children = {
        (each["timestamp"], value) for each in records for value in (each["user.name"][0], each["source.ip"][0])
    }
    assert {(each["timestamp"], each["influencer_field_value"]) for each in influencers} <= children
    for bucket in parts.of_kind(found, "bucket"):
        mine = [each for each in records if each["timestamp"] == bucket["timestamp"]]
        new = [each for each in mine if not {"repeat_of", "suppressed_by"} & each.keys()]
        assert (bucket["record_count"], bucket["new_record_count"]) == (len(mine), len(new))


def test_planted_oddities_come_first(done: MemoryCluster) -> None:
    influencers = parts.of_kind(parts.results(done, JOB), "influencer")
    worst = sorted(influencers, key=lambda each: -each["influencer_score"])[:3]
    assert {each["influencer_field_value"] for each in worst} <= {company.VICTIM, company.SPRAYER}
    assert worst[0]["influencer_score"] > 75


def test_the_suppressed_are_recorded_and_take_no_part(done: MemoryCluster) -> None:
    found = parts.results(done, JOB)
    suppressed = [each for each in parts.of_kind(found, "record") if "suppressed_by" in each]
    assert {(each["by_field_value"], each["suppressed_by"]) for each in suppressed} == {(company.VPN, "vpn")}
    assert company.VPN not in {each["influencer_field_value"] for each in parts.of_kind(found, "influencer")}
    assert company.VPN not in {ip for each in parts.of_kind(found, "bucket") for ip in each["top_ips"]}


def test_an_allowed_entity_does_not_hide_the_address_that_sprays(cluster: MemoryCluster, done: MemoryCluster) -> None:
    def sprayed(found: dict[tuple[str, str], dict[str, Any]], kind: str) -> list[dict[str, Any]]:
        return [each for each in parts.of_kind(found, kind) if each.get("source.ip") == [company.SPRAYER]]

    # the rule of the VPN stays: it lies beside the address that sprays
    job = company.make_job(allow_list=[*company.job_data()["allow_list"], {"entity": "person1*"}])
    parts.backfill(cluster, job)
    found = parts.results(cluster, job)
    records = sprayed(found, "record")
    allowed = {each["user.name"][0] for each in records if "suppressed_by" in each}
    assert allowed == {name for each in records if (name := each["user.name"][0]).startswith("person1")}
    assert 1 < len(allowed) < len(records)
    assert len(records) == len(sprayed(parts.results(done, JOB), "record"))
    assert max(each["influencer_score"] for each in sprayed(found, "influencer")) > 75


def test_a_lasting_oddity_is_new_once_a_repeat_window(done: MemoryCluster) -> None:
    for place, who in enumerate(company.NOMADS):
        mine = [
            each
            for each in parts.of_kind(parts.results(done, JOB), "record")
            if (each["user.name"], each["source.ip"]) == ([who], [f"198.18.{place}.7"])
        ]
        if not mine:
            continue
        firsts = {each["timestamp"] for each in mine if "repeat_of" not in each}
        assert min(each["timestamp"] for each in mine) in firsts
        assert all(b - a >= DAY * 1_000 for a, b in zip(sorted(firsts), sorted(firsts)[1:], strict=False))


def test_repeats_name_a_first_record_within_the_window(done: MemoryCluster) -> None:
    found = parts.results(done, JOB)
    by_id = {place: source for (_, place), source in found.items()}
    repeats = [each for each in found.values() if "repeat_of" in each]
    assert repeats
    for each in repeats:
        first = by_id[each["repeat_of"]]
        assert "repeat_of" not in first
        assert 0 < each["timestamp"] - first["timestamp"] < DAY * 1_000


def test_no_more_records_than_the_limit_and_the_rest_is_counted(cluster: MemoryCluster, done: MemoryCluster) -> None:
    few = company.make_job(max_records_per_bucket=3)
    parts.backfill(cluster, few)
    found = parts.results(cluster, few)
    loud = max(parts.of_kind(found, "bucket"), key=lambda each: each["omitted_record_count"])
    records = [each for each in parts.of_kind(found, "record") if each["timestamp"] == loud["timestamp"]]
    assert (len(records), loud["record_count"], loud["omitted_record_count"] > 20) == (3, 3, True)
    everything = [
        each for each in parts.of_kind(parts.results(done, JOB), "record") if each["timestamp"] == loud["timestamp"]
    ]
    least = sorted(each["probability"] for each in everything if not {"repeat_of", "suppressed_by"} & each.keys())
    assert sorted(each["probability"] for each in records) == least[:3]


def test_two_parts_give_what_one_gives_but_for_the_batches(cluster: MemoryCluster, done: MemoryCluster) -> None:
    # a stop in the middle of a day, where history must be caught up with; 3 buckets: the last batch is a short one
    parts.backfill(cluster, JOB, SCORED_FROM, MIDDAY + 3 * HOUR)
    parts.backfill(cluster, JOB, SCORED_FROM, SCORED_TO)
    own = ("actual", "typical", "probability", "anomaly_score_explanation", "repeat_of", "event_count")
    first, second = parts.results(done, JOB), parts.results(cluster, JOB)
    assert first.keys() == second.keys()
    for place, source in first.items():
        for name in own:
            if name == "anomaly_score_explanation" and name in source:
                caps = ("c1", "c2", "c3", "bound")
                one, other = ({k: v for k, v in each[place][name].items() if k not in caps} for each in (first, second))
                assert one == other
            else:
                assert source.get(name) == second[place].get(name)


def test_a_gap_is_learned_from_and_not_scored(cluster: MemoryCluster, trained: MemoryCluster) -> None:
    # what isn't scored isn't held back either: without holds both runs learn the same
    job, undisturbed = company.make_job(hold_probability=0), parts.copy_of(trained)
    parts.backfill(undisturbed, job)
    parts.backfill(cluster, job, SCORED_FROM, SCORED_FROM + DAY)
    parts.backfill(cluster, job, SCORED_FROM + 3 * DAY + 6 * HOUR, SCORED_TO)
    found, whole = parts.results(cluster, job), parts.results(undisturbed, job)
    starts = {each["timestamp"] // 1_000 for each in found.values()}
    assert starts == {
        *range(SCORED_FROM, SCORED_FROM + DAY, 3 * HOUR),
        *range(SCORED_FROM + 3 * DAY + 6 * HOUR, SCORED_TO, 3 * HOUR),
    }
    after = [place for place, each in found.items() if each["timestamp"] // 1_000 > SCORED_FROM + 3 * DAY]
    assert {place: found[place].get("actual") for place in after if place in whole} == {
        place: whole[place].get("actual") for place in after if place in whole
    }
    deltas = [each.attributes["day"] * DAY for each in ClusterBlobs(cluster).list(JOB.job_id, "history_delta")]
    assert sorted(deltas) == list(range(SCORED_FROM, SCORED_TO, DAY))


def test_scoring_begins_where_training_ended_or_later(cluster: MemoryCluster) -> None:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock())) as session:
        assert session.plan(SCORED_FROM, SCORED_TO).start == SCORED_FROM
        with pytest.raises(UsageError, match="was trained on events up to 2025-08-30T00:00:00Z"):
            session.plan(SCORED_FROM - 3 * HOUR, SCORED_TO)


def test_a_run_goes_on_from_the_checkpoint_and_tells_of_buckets_before_it(cluster: MemoryCluster) -> None:
    parts.backfill(cluster, JOB, SCORED_FROM + DAY, SCORED_FROM + 2 * DAY)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock())) as session:
        planned = session.plan(SCORED_FROM + DAY, SCORED_TO)
        assert (planned.start, planned.resumed, planned.never_scored) == (SCORED_FROM + 2 * DAY, True, 0)
        assert session.plan(SCORED_FROM, SCORED_TO).never_scored == 8
        with pytest.raises(UsageError, match="is scored up to 2025-09-01T00:00:00Z already"):
            session.plan(SCORED_FROM + DAY, SCORED_FROM + 2 * DAY)


def test_again_gives_what_the_first_run_gave(done: MemoryCluster) -> None:
    cluster = parts.copy_of(done)
    parts.backfill(cluster, JOB, again=True)
    assert parts.results(cluster, JOB) == parts.results(done, JOB)


def test_again_removes_what_is_no_longer_found_and_nothing_before_it(done: MemoryCluster) -> None:
    cluster, before = parts.copy_of(done), parts.results(done, JOB)
    allowed = company.make_job(allow_list=[{"entity": "person*", "id": "all"}])
    parts.backfill(cluster, allowed, SCORED_FROM + DAY, SCORED_TO, again=True)
    after = parts.results(cluster, JOB)
    begin = (SCORED_FROM + DAY) * 1_000

    def influencers(found: dict[Any, Any], *, early: bool) -> list[Any]:
        return [
            place
            for place, each in found.items()
            if (each["timestamp"] < begin) == early and "influencer_score" in each
        ]

    assert influencers(before, early=False)
    assert not influencers(after, early=False)
    assert influencers(after, early=True) == influencers(before, early=True)


def test_again_forgets_what_history_had_under_other_settings(done: MemoryCluster, cluster: MemoryCluster) -> None:
    half_teaches = company.make_job(allow_list=[{"cidr": "0.0.0.0/1", "id": "a"}])
    parts.backfill(cluster, half_teaches, SCORED_FROM, SCORED_FROM + DAY)
    again = parts.copy_of(done)
    parts.backfill(again, half_teaches, SCORED_FROM, SCORED_FROM + DAY, again=True)

    def deltas(found: MemoryCluster) -> dict[str, str]:
        return {each.id: each.sha256 for each in ClusterBlobs(found).list(JOB.job_id, "history_delta")}

    (day, sha256), *_ = deltas(cluster).items()
    assert deltas(again)[day] == sha256 != deltas(done)[day]


def test_quantiles_that_no_state_came_to_are_swept_and_those_of_results_are_kept(done: MemoryCluster) -> None:
    cluster = parts.copy_of(done)
    lost = SavedQuantiles("20990101T000000Z", SCORED_TO, {})
    QuantilesStore(cluster, JOB.job_id).save(lost, state_of(cluster).external_version)
    parts.backfill(cluster, JOB, SCORED_FROM, SCORED_TO, again=True)
    kept = parts.stored_quantiles(cluster, JOB)
    assert kept[-1] == state_of(cluster).quantiles_id
    scored = [each for each in parts.results(cluster, JOB).values() if each["result_type"] in RESULT_KINDS]
    assert {each["quantiles_id"] for each in scored} <= set(kept)


class Watched(MemoryCluster):
    """Keeps the checkpoints that a job came to."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoints: list[int] = []

    def put(self, *args: Any, **how: Any) -> Any:
        made = super().put(*args, **how)
        state = StateStore(self).read(JOB.job_id)
        if state is not None and state.checkpoint is not None:
            self.checkpoints.append(state.checkpoint)
        return made


def batch_ends(trained: MemoryCluster, *, days: int) -> list[int]:
    """The buckets after which a backfill wrote, counted from its start."""
    cluster, never = Watched(), company.make_job(renormalization_window_days=0)
    parts.copy_into(cluster, trained)
    parts.backfill(cluster, never, SCORED_FROM, SCORED_FROM + days * DAY)
    return [(each - SCORED_FROM) // (3 * HOUR) for each in dict.fromkeys(cluster.checkpoints) if each > SCORED_FROM]


def test_a_batch_ends_with_its_buckets_pairs_or_day(trained: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch_ends(trained, days=2) == [8, 16]
    parts.batch_limits(monkeypatch, MAX_BUCKETS=3)
    assert batch_ends(trained, days=2) == [3, 6, 8, 11, 14, 16]
    parts.batch_limits(monkeypatch, MAX_PAIRS=70)
    assert batch_ends(trained, days=1) == [3, 5, 7, 8]


def test_dry_run_writes_nothing_and_counts(trained: MemoryCluster) -> None:
    cluster = parts.fragile(trained)
    seen: list[Any] = []
    from ipi_es.worker.scoring.dry_run import count_alerts
    from ipi_es.worker.training.job_training import TrainingCallbacks

    resources = JobResources(cluster, JOB, clock=parts.TestClock())
    counted = count_alerts(resources, SCORED_FROM, SCORED_TO, seen.append, TrainingCallbacks())
    assert cluster.writes == 0
    assert len(seen) == 40
    attack_day = (SCORED_FROM + DAY) // DAY
    assert counted.alerts[attack_day, "influencer", 75] >= 1
    assert counted.alerts[attack_day, "influencer", 25] >= counted.alerts[attack_day, "influencer", 75]
    assert counted.documents > 40


def test_dry_run_counts_each_result_at_the_thresholds_that_it_reaches() -> None:
    def result(score: float, **more: Any) -> ResultDocument:
        time = to_ms(SCORED_FROM)
        return ResultDocument("", "", {"result_type": "record", "record_score": score, "timestamp": time, **more})

    found = [result(24.9), result(50.0), result(89.9), result(95.0, repeat_of="r")]
    batch = batches.Batch(0, 0, found, NormalizerState({}), HistoryId("h", 0), None, renormalize_due=False)
    counted = AlertCounts()
    counted.write(batch)
    day = SCORED_FROM // DAY
    assert counted.alerts == {(day, "record", 25): 2, (day, "record", 50): 2, (day, "record", 75): 1}
    assert (counted.documents, counted.days) == (4, {day})


def test_job_without_a_snapshot_is_told_to_train(trained: MemoryCluster) -> None:
    other = company.make_job("untrained")
    with (
        open_session(JobResources(parts.copy_of(trained), other, clock=parts.TestClock())) as session,
        pytest.raises(SnapshotMissing, match="has no snapshot yet"),
    ):
        session.plan(SCORED_FROM, SCORED_TO)


def test_job_that_looks_at_other_fields_than_it_was_trained_on_is_refused(cluster: MemoryCluster) -> None:
    detector = {"by_field_name": "client.ip", "partition_field_name": "user.name"}
    other = company.make_job(analysis_config={"bucket_span": "3h", "detectors": [detector]})
    with pytest.raises(JobChanged, match=r"by_field_name was source\.ip and is client\.ip"):
        parts.backfill(cluster, other)


def test_fields_of_a_snapshot_of_before_settings_were_kept_are_named(
    cluster: MemoryCluster,
) -> None:
    states = StateStore(cluster)
    held = states.acquire_lease(JOB.job_id, "an earlier version", parts.NOW, 60, alive=lambda _: True)
    states.release(replace(held, details=replace(held.details, made_with=None)))
    detector = {"by_field_name": "client.ip", "partition_field_name": "user.name"}
    other = company.make_job(analysis_config={"bucket_span": "3h", "detectors": [detector]})
    said = r"trained on the fields source\.ip and user\.name, and the job's file names user\.name and client\.ip"
    with pytest.raises(SnapshotForeign, match=said):
        parts.backfill(cluster, other)


def test_scores_do_not_depend_on_the_order_that_events_were_indexed_in(
    trained: MemoryCluster, done: MemoryCluster
) -> None:
    from ipi_es.cluster.port import Put

    cluster = parts.copy_of(trained)
    cluster.delete_index(company.EVENTS)
    cluster.create_index(company.EVENTS, {"mappings": company.MAPPINGS})
    found = list(company.events())
    order = np.random.default_rng(3).permutation(len(found)).tolist()
    cluster.bulk(Put(company.EVENTS, str(place), company.document(found[place])) for place in order)
    cluster.refresh(company.EVENTS)
    parts.backfill(cluster, JOB)
    assert parts.results(cluster, JOB) == parts.results(done, JOB)


def scores(store: ResultStore) -> list[tuple[str, float]]:
    return sorted((each.id, each.source["record_score"]) for each in store.read("record", size=10_000))


def test_what_a_session_wrote_is_visible_when_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = parts.trained_cluster(JOB, monkeypatch)
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    store = resources.stores.results
    with open_session(resources) as session:
        for work in (
            lambda: session.backfill(session.plan(SCORED_FROM, MIDDAY), lambda _: None),
            lambda: session.catch_up(SCORED_TO, lambda _: None),
            session.renormalize,
        ):
            work()
            seen = scores(store)
            store.show()
            assert seen == scores(store) != []
