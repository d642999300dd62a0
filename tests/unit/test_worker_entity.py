"""What is stored of one entity: found whole, and erased without a trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from rule_parts import NET, score
from verdict_parts import said
from worker_parts import FragileCluster

from ipi_es.cluster.port import Drop, Put
from ipi_es.config.given_verdict import VerdictWord
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.errors import SnapshotDamaged
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.entity_hashing import UNKNOWN_ROW, entity_hashes
from ipi_es.results.words import ALIAS, VERDICT
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.details import LastError
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.rule_store import RULES_INDEX, RuleStore, StoredRule
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import from_ms
from ipi_es.worker.entity.erasure import erase
from ipi_es.worker.entity.learned_parts import learned_parts
from ipi_es.worker.entity.rules import rules_naming
from ipi_es.worker.entity.traces import traces
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.history.late_rows import LateRows, blob_id_of, load
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.upkeep.cleanup import clean
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts
from ipi_es.worker.verdicts.result_marks import mark_results

JOB = Job.model_validate(company.job_data() | {"allow_list": [], "hold_probability": 0.03})
NAME = company.VICTIM
STORED = (ALIAS, STATE_INDEX, SNAPSHOT_INDEX, RULES_INDEX, VERDICTS_INDEX)
LATER = company.SCORED_TO + 7_200


def resources(cluster: MemoryCluster, job: Job = JOB, time: int = LATER) -> JobResources:
    return JobResources(cluster, job, clock=parts.TestClock(time))


@cache
def _scored() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.critical_from(patch, 15.0)
        score(resources(cluster), company.SCORED_FROM, company.SCORED_FROM + 3 * company.DAY)
        time = company.SCORED_FROM + 3 * company.DAY
        for verdict in (
            said(NAME, "101.7.0.9", time=time),
            said("person01", "102.7.1.9", "compromised", time=time, comment=f"as {NAME} was"),
        ):
            JobVerdicts(cluster, JOB, time).give([verdict])
        score(resources(cluster), company.SCORED_FROM + 3 * company.DAY, company.SCORED_TO)
        with open_session(resources(cluster)) as session:
            assert mark_results(session)
    return cluster


@pytest.fixture
def cluster() -> MemoryCluster:
    return parts.copy_of(_scored(), own_events=True)


def stored(cluster: MemoryCluster) -> dict[tuple[str, str], Mapping[str, Any]]:
    """All documents but the events and the lease, by index and id."""
    found = {}
    for index in STORED:
        cluster.refresh(index)
        found |= {(each.index, each.id): each.source for each in cluster.scan(index, {"match_all": {}})}
    return found


def naming(cluster: MemoryCluster, name: str = NAME) -> list[tuple[str, str]]:
    return sorted(place for place, each in stored(cluster).items() if name in place[1] or name in json.dumps(each))


def without_the_run(documents: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    """The documents but the leases, which change with every session."""
    return {place: each for place, each in documents.items() if each.get("type") != "job_state"}


def names_of(documents: Mapping[tuple[str, str], Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {place for place, each in documents.items() if place[0] not in (STATE_INDEX, SNAPSHOT_INDEX)}


def test_an_export_has_every_document_that_names_it(cluster: MemoryCluster) -> None:
    found = list(traces(resources(cluster), NAME))
    assert {(each.stored_in, each.id) for each in found} >= set(naming(cluster))
    kinds = {each.kind for each in found}
    assert kinds == {
        "record", "influencer", "mention", "hold", "verdict", "history", "network", "history_base", "history_delta",
    }  # fmt: skip
    history = next(each for each in found if each.kind == "history")
    assert history.content["usual_networks"]
    assert history.content["events"] > 0
    days = {each.content["day"] for each in found if each.kind == "history_delta"}
    assert days
    assert max(days) == history.content["last_day"]
    others = {f"person{n:02d}" for n in range(company.PEOPLE)} - {NAME}
    said_of_others = [each for each in found if any(name in str(each.to_dict()) for name in others)]
    assert [each.fields for each in said_of_others] == [("annotation",)], "of other people only what people wrote"


def test_of_another_name_there_is_nothing(cluster: MemoryCluster) -> None:
    before = without_the_run(stored(cluster))
    assert list(traces(resources(cluster), "person")) == []
    assert erase(resources(cluster), "person").nothing
    assert without_the_run(stored(cluster)) == before


def test_after_an_erasure_no_document_names_it_but_what_people_wrote_of_others(cluster: MemoryCluster) -> None:
    before = stored(cluster)
    made = erase(resources(cluster), NAME)
    after = stored(cluster)
    assert [after[place]["comment"] for place in naming(cluster)] == [f"as {NAME} was"]
    assert {each.kind for each in traces(resources(cluster), NAME)} == {"mention"}
    own = {place for place, each in before.items() if each.get("partition_field_value") == NAME}
    assert made.results.deleted == len(own) > 10
    assert made.results.annotations == made.verdicts + 1 == 2
    assert "records and influencers" in str(made)
    gone = {place for place in names_of(before) if place not in after}
    assert {before[place].get("result_type") for place in gone - own} <= {"annotation", "incident", None}
    named = {place for place, each in before.items() if NAME in json.dumps(each)}
    for place in names_of(after):
        if after[place] != before[place]:
            counted = after[place]["result_type"] == "bucket"
            assert place in named or counted
            changed = {name for name in before[place] if after[place].get(name) != before[place][name]}
            assert changed <= {"top_entities", "unlearned_entities", "reason", "record_count", "influencer_count"}


def test_what_was_learned_of_others_stays(cluster: MemoryCluster) -> None:
    def learned() -> tuple[Any, Any]:
        work = resources(cluster)
        state = work.stores.states.read(JOB.job_id)
        assert state is not None
        keeper = work.keeper(HistoryId.parse(state.trained.history_id))
        return keeper.history, work.snapshot(state.snapshot_id).network.network

    before, network = learned()
    infos = {each.id: (each.created, each.attributes) for each in ClusterBlobs(cluster).list(JOB.job_id)}
    erase(resources(cluster), NAME)
    after, smaller = learned()
    hashed = entity_hashes([NAME])
    assert list(learned_parts(ClusterBlobs(cluster), JOB.job_id, NAME)) == []
    assert {each.id: (each.created, each.attributes) for each in ClusterBlobs(cluster).list(JOB.job_id)} == infos
    kept = before.profiles.hash != hashed[0]
    for name, column in before.profiles.to_arrays().items():
        np.testing.assert_array_equal(after.profiles.to_arrays()[name], column[kept])
    np.testing.assert_array_equal(smaller.entity_table, network.entity_table)
    assert smaller.entity_rows(hashed) == [UNKNOWN_ROW]
    assert network.entity_rows(hashed) != [UNKNOWN_ROW]


def verdicts_on(cluster: MemoryCluster, but: str) -> dict[tuple[str, str], Any]:
    """The marks of records, influencers and buckets, but of those of an entity."""
    return {
        place: each.get(VERDICT)
        for place, each in parts.results(cluster, JOB).items()
        if each["result_type"] != "annotation" and each.get("partition_field_value") != but
    }


@pytest.mark.parametrize("word", ["compromised", "safe"])
def test_results_of_others_lose_what_came_from_its_verdicts(cluster: MemoryCluster, word: VerdictWord) -> None:
    sprayed = company.SCORED_FROM + company.DAY + 9 * company.HOUR
    records = parts.of_kind(parts.results(cluster, JOB), "record")
    records = [each for each in records if from_ms(each["timestamp"]) == sprayed]
    targets = {each["partition_field_value"] for each in records if each["by_field_value"] == company.SPRAYER}
    target = min(targets - {NAME})
    before = verdicts_on(cluster, target)
    give = resources(cluster)
    given = said(target, company.SPRAYER, word, time=LATER)
    JobVerdicts(cluster, JOB, LATER).give([given])
    with open_session(give) as session:
        assert mark_results(session)
    marked = verdicts_on(cluster, target)
    assert (marked != before) == (word == "compromised"), "an influencer with open records isn't closed by one of them"
    made = erase(resources(cluster), target)
    after = verdicts_on(cluster, target)
    assert after == {place: each for place, each in before.items() if place in after}
    assert made.results.rewritten
    with open_session(resources(cluster)) as session:
        mark_results(session)
    assert verdicts_on(cluster, target) == after, "the next run changes nothing"


def test_what_its_verdict_closed_stays_closed(cluster: MemoryCluster) -> None:
    """Its only record of an address is gone; an alarm on the address would come from the erasure alone."""
    closed = {place for place, word in verdicts_on(cluster, NAME).items() if word == "safe"}
    assert closed
    erase(resources(cluster), NAME)
    after = verdicts_on(cluster, NAME)
    assert {after[place] for place in closed if place in after} == {"safe"}


def test_no_result_counts_as_missing_afterwards(cluster: MemoryCluster) -> None:
    erase(resources(cluster), NAME)
    with open_session(resources(cluster)) as session:
        clean(session, LATER)
    said_of = [each for each in stored(cluster).values() if each.get("annotation_type") == "results_missing"]
    assert said_of == []


def test_results_of_others_that_were_missing_before_still_count_as_missing(cluster: MemoryCluster) -> None:
    place, record = next(
        (place, each)
        for place, each in stored(cluster).items()
        if each.get("result_type") == "record" and each["partition_field_value"] == NAME
    )
    other = next(
        (place, each)
        for place, each in stored(cluster).items()
        if each.get("result_type") == "record" and each["partition_field_value"] != NAME
    )
    cluster.bulk([Drop(*other[0])], refresh=True)
    erase(resources(cluster), NAME)
    with open_session(resources(cluster)) as session:
        clean(session, LATER)
    said_of = [each for each in stored(cluster).values() if each.get("annotation_type") == "results_missing"]
    assert [each["annotation"].startswith("results of this day are missing: 1 records.") for each in said_of] == [True]
    assert (place, record) not in stored(cluster).items()


def test_killed_after_any_write_and_run_again_it_ends_the_same() -> None:
    quiet = FragileCluster()
    parts.copy_into(quiet, _scored())
    quiet.moments = []
    erase(resources(quiet), NAME)
    expected = without_the_run(stored(quiet))
    assert len(quiet.moments) > 20
    for what, left in quiet.moments:
        erase(resources(left), NAME)
        again = without_the_run(stored(left))
        assert again.keys() == expected.keys(), what
        assert {place for place in again if again[place] != expected[place]} == set(), what


def test_a_running_worker_does_not_bring_it_back(cluster: MemoryCluster) -> None:
    """Its loaded history and network know the entity; its events are deleted, as they should be before an erasure."""
    worker = resources(cluster, time=company.SCORED_TO + 60)
    with open_session(worker) as session:
        session.loaded_scoring()
        known = worker.snapshot(session.state.snapshot_id)
    assert worker.cache.loaded is not None
    gone = [
        Drop(each.index, each.id)
        for each in cluster.scan(company.EVENTS, {"match_all": {}})
        if each.source["user"]["name"] == NAME
    ]
    cluster.bulk(gone, refresh=True)
    erase(resources(cluster), NAME)
    with open_session(worker) as session:
        assert session.scoring.loaded is None
        session.catch_up(company.SCORED_TO + company.DAY, lambda _: None)
        assert worker.snapshot(session.state.snapshot_id) is not known
        history = session.loaded_scoring().pipeline.keeper.history
        assert history.profiles.events_of(entity_hashes([NAME])) == [0.0]
    assert {each.kind for each in traces(resources(cluster), NAME)} == {"mention"}


def test_late_rows_are_written_without_it(cluster: MemoryCluster) -> None:
    work = resources(cluster)
    hashes, addresses = entity_hashes([NAME, "person02"]), np.zeros((2, 16), dtype=np.uint8)
    with open_session(work) as session:
        history = HistoryId.parse(session.state.trained.history_id)
        rows = (hashes, addresses, np.ones(2, dtype=np.int64), AddressContext.none(2))
        blob = LateRows.of(rows, history.day, company.SCORED_FROM).to_bytes()
        blob_id = blob_id_of(history.base, blob)
        for each in (blob_id, f"{blob_id}-lost"):
            session.writer.blobs.write(
                JOB.job_id, each, "history_late", blob, created=LATER, attributes={"base": history.base}
            )
        session.note(late_rows=blob_id)
    assert [each.kind for each in traces(work, NAME)].count("history_late") == 2
    erase(work, NAME)
    state = work.stores.states.read(JOB.job_id)
    assert state is not None
    assert load(work.stores.blobs, state).entity.tolist() == [hashes[1]]
    late = ClusterBlobs(cluster).list(JOB.job_id, "history_late")
    assert [each.id for each in late] == [state.details.late_rows]


def test_an_error_of_the_job_that_names_it_is_forgotten(cluster: MemoryCluster) -> None:
    with open_session(resources(cluster)) as session:
        session.note(last_error=LastError(LATER, "BulkFailed", f"failed to parse {NAME}"))
    assert erase(resources(cluster), NAME).error
    state = resources(cluster).stores.states.read(JOB.job_id)
    assert state is not None
    assert state.details.last_error is None
    assert state.lease_owner is None


def test_results_that_may_not_be_written_stay_and_are_said(cluster: MemoryCluster) -> None:
    (index, *_) = {place[0] for place in naming(cluster) if place[0].endswith("2025.08")}
    cluster.admin.set(index, {"index.blocks.write": True})
    made = erase(resources(cluster), NAME)
    assert made.results.blocked == (index,)
    assert {place[0] for place in naming(cluster)} == {index, VERDICTS_INDEX}


def rule(name: str, *, jobs: tuple[str, ...] = (), reason: str = "why", **conditions: Any) -> StoredRule:
    return StoredRule(AllowRule.model_validate({"id": name, **conditions}), reason, "me", 900, 1_000, jobs=jobs)


def test_rules_are_sorted_by_how_they_name_it(cluster: MemoryCluster) -> None:
    store = RuleStore(cluster)
    for each in (
        rule("alone", entity="PERSON07"),
        rule("here", entity=NAME, cidr=NET, jobs=("signins",)),
        rule("there", entity=NAME, jobs=("other",)),
        rule("both", entity=NAME, jobs=("signins", "other")),
        rule("pattern", entity="person0*"),
        rule("text", cidr=NET, reason=f"{NAME} asked for it"),
        rule("office", cidr=NET),
    ):
        store.add_rule(each)

    def sorted_by(everywhere: bool) -> list[list[str]]:
        found = rules_naming(store.documents(), [(JOB, NAME)], everywhere=everywhere)
        lists = (found.alone, found.elsewhere, found.by_pattern, found.in_text)
        return [sorted(each.source["name"] for each in some) for some in lists]

    assert sorted_by(True) == [["alone", "here"], ["both"], ["pattern"], ["text"]]
    assert sorted_by(False) == [["here"], ["alone", "both"], ["pattern"], ["text"]]
    found = rules_naming(store.documents(), [(JOB, NAME)], everywhere=True)
    assert store.delete_documents(found.alone) == 2
    assert sorted(each.name for each in store.all().rules) == ["both", "office", "pattern", "text", "there"]


def test_blobs_in_a_directory_are_written_without_it(cluster: MemoryCluster, tmp_path: Path) -> None:
    there, files = ClusterBlobs(cluster), DirectoryBlobs(tmp_path)
    for each in there.list(JOB.job_id):
        data = there.read(JOB.job_id, each.id)
        files.write(JOB.job_id, each.id, each.kind, data, created=each.created, attributes=each.attributes)
    work = JobResources(cluster, JOB, snapshots=tmp_path, clock=parts.TestClock(LATER))
    assert erase(work, NAME).learned > 3
    assert list(learned_parts(files, JOB.job_id, NAME)) == []
    assert len(list(tmp_path.rglob("*.blob"))) == len(files.list(JOB.job_id)), "the old ones are gone"


def test_annotations_of_people_need_no_field_of_ours(cluster: MemoryCluster) -> None:
    index = next(each for each in cluster.indices(f"{ALIAS}-*"))
    note = {"job_id": JOB.job_id, "result_type": "annotation", "annotation": f"Called {NAME}: on holiday."}
    cluster.bulk([Put(index, "note", note), Put(index, "odd", {"job_id": JOB.job_id})], refresh=True)
    assert [each.content["annotation"] for each in traces(resources(cluster), NAME) if each.id == "note"] != []
    erase(resources(cluster), NAME)
    assert {place[1] for place in stored(cluster)} & {"note", "odd"} == {"odd"}


def test_a_verdict_in_another_spelling_goes_too(cluster: MemoryCluster) -> None:
    """Tools write names as they have them."""
    time = company.SCORED_FROM + 4 * company.DAY
    VerdictStore(cluster, JOB.job_id).add_verdict(said(NAME.upper(), "101.7.0.9", "dismiss", time=time))
    assert len([each for each in traces(resources(cluster), NAME) if each.kind == "verdict"]) == 2
    assert erase(resources(cluster), NAME).verdicts == 2


@pytest.mark.parametrize("in_directory", [False, True])
def test_a_blob_that_can_not_be_read_is_an_error(cluster: MemoryCluster, tmp_path: Path, in_directory: bool) -> None:
    """What it holds isn't known: neither that it names nobody, nor that all is removed."""
    if in_directory:
        files = DirectoryBlobs(tmp_path)
        files.write(JOB.job_id, "lost", "history_base", b"", created=LATER)
        (tmp_path / JOB.job_id / "lost.json").write_text("{}")
    else:
        manifest = {"type": "manifest", "job_id": JOB.job_id, "blob_id": "lost", "format": 99}
        cluster.bulk([Put(SNAPSHOT_INDEX, f"manifest:{JOB.job_id}:lost", manifest)], refresh=True)
    work = JobResources(cluster, JOB, snapshots=tmp_path if in_directory else None, clock=parts.TestClock(LATER))
    with pytest.raises(SnapshotDamaged, match="the manifest of lost is broken"):
        list(learned_parts(work.stores.blobs, JOB.job_id, NAME))
    with pytest.raises(SnapshotDamaged):
        erase(work, NAME)
    assert {place[0] for place in naming(cluster)} <= {VERDICTS_INDEX}, "the rest is removed"
