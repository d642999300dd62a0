"""All that a worker does, in stages: each begins with a cluster in memory and can be done again after a kill."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import live_parts as live
import worker_company as company
import worker_parts as parts
from late_parts import add_events, change_events, ids_between, remove_events
from live_parts import Worker
from verdict_parts import said
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.cluster.port import Drop, Put
from ipi_es.config.files.loading import check_rule
from ipi_es.config.job_config import Job
from ipi_es.errors import JobBusy, UsageError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.index_mapping import index_for
from ipi_es.setup import setup_plan
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.state.owner import this_process
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.state.verdict_store import VERDICTS_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.entity.erasure import erase
from ipi_es.worker.entity.rules import rules_naming
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.rule_making import add_rules
from ipi_es.worker.training.revert import plan_revert, revert
from ipi_es.worker.upkeep.removal import DELETING, Removal
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts

TRAINING = {"window": f"{company.LEARN_DAYS}d", "min_events": 200, "every": "0s"}
COMMON: dict[str, Any] = {
    "hold_probability": 0.03,
    "renormalization_window_days": 1,
    "blind_after": 2,
    "datafeed_config": {"frequency": "1h"},
}
SPAN = 3 * HOUR
STRANGER = "85.11.9.7"
LATER = parts.NOW + 7_200
PERSON = "person01"
VERDICT = said(PERSON, "192.0.2.1", time=SCORED_FROM + 54 * HOUR)


def job(job_id: str = "signins", **more: Any) -> Job:
    """The stages' job, with some settings changed."""
    return live.live_job(job_id, **{**COMMON, "training": TRAINING, **copy.deepcopy(more)})


JOB = job()
TEACHING = job(hold_probability=0)
"""Nothing is held: what comes late is learned."""


@dataclass(frozen=True)
class Stage:
    """``begin`` makes the cluster from one that is trained; ``act`` works, as a process that knows nothing else."""

    name: str
    begin: Callable[[MemoryCluster], None]
    act: Callable[[MemoryCluster, Worker], Any]
    job: Job = JOB

    def done(self, cluster: MemoryCluster, owner: str, dead: set[str]) -> None:
        """Let a new process act."""
        worker = Worker(cluster, self.job, owner=owner, dead=dead)
        worker.clock.time = LATER
        self.act(cluster, worker)


def own_events(cluster: MemoryCluster) -> MemoryCluster:
    """A copy with events of its own."""
    return parts.copy_of(cluster, own_events=True)


def bare() -> MemoryCluster:
    """Set up, with the events, and no job."""
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    company.fill(cluster)
    return cluster


def ticked(hours: float, of: Job = JOB) -> Callable[[MemoryCluster], None]:
    """The job stands so many hours after the first scored midnight."""

    def begin(cluster: MemoryCluster) -> None:
        Worker(cluster, of).tick(SCORED_FROM + int(hours * HOUR))

    return begin


def tick(hours: float) -> Callable[[MemoryCluster, Worker], Any]:
    """A tick so many hours after the first scored midnight."""
    return lambda _, worker: worker.tick(SCORED_FROM + int(hours * HOUR))


def new_job(cluster: MemoryCluster) -> None:
    """No state, and the month's index was made by somebody else: it lacks the job's fields.

    In it stands what a training said that was killed right after, and would end elsewhere now.
    """
    StateStore(cluster).delete(JOB.job_id)
    ClusterBlobs(cluster).delete_all(JOB.job_id)
    index = index_for(SCORED_FROM, JOB.results_index_name)
    cluster.refresh(index)
    said = [Put(index, f"{each.id}-earlier", each.source) for each in cluster.scan(index, {"match_all": {}})]
    assert said
    cluster.delete_index(index)
    cluster.create_index(index, {})
    cluster.bulk(said, refresh=True)


def interim_that_vanishes(hours: float) -> Callable[[MemoryCluster], None]:
    """The bucket at that time has interim results whose event is gone, and others came instead."""

    def begin(cluster: MemoryCluster) -> None:
        start = SCORED_FROM + int(hours * HOUR)
        ticked(hours)(cluster)
        gone = add_events(cluster, [(start + 60 + n, f"person{n:02d}", STRANGER) for n in range(3)])
        ticked(hours + 1)(cluster)
        assert any(each["is_interim"] for each in parts.results(cluster, JOB).values() if "is_interim" in each)
        remove_events(cluster, gone)
        add_events(cluster, [(start + 600 + n, "person20", STRANGER) for n in range(4)])

    return begin


def blindness_unsaid(cluster: MemoryCluster) -> None:
    """The job is blind, and who was to say so did not come to it."""
    ticked(54)(cluster)
    ticked(72)(cluster)
    said = [place for place, each in parts.results(cluster, JOB).items() if each.get("annotation_type") == "blind"]
    assert said
    cluster.bulk([Drop(*place) for place in said], refresh=True)


def trained_in_vain(cluster: MemoryCluster) -> None:
    """A training said which snapshot is used from now on, and was killed before the state pointed to it."""
    ticked(21)(cluster)
    time = SCORED_FROM + 21 * HOUR
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(LATER))) as session:
        said = [Annotation("model_snapshot", time, time + SPAN, "From here on snapshot lost is used.")]
        assert session._annotate(said, "lost") == 1


def late_events(cluster: MemoryCluster) -> None:
    """Yesterday's late events were mended once; more came, one is gone, and one is later than the late window.

    Besides, events were changed and written again unchanged, within the window and before it.
    """
    now, yesterday = 36.0, SCORED_FROM + 18 * HOUR
    ticked(now, TEACHING)(cluster)
    first = add_events(cluster, [(yesterday + n, f"person{n:02d}", STRANGER) for n in range(3)])
    ticked(now + 1, TEACHING)(cluster)
    remove_events(cluster, first[:1])
    add_events(cluster, [(yesterday + 60 + n, "person30", "85.11.10.7") for n in range(3)])
    add_events(cluster, [(SCORED_FROM + 30 * HOUR + n, f"person{n:02d}", STRANGER) for n in range(2)])
    add_events(cluster, [(SCORED_FROM + 3 * HOUR, "person05", STRANGER)])
    for hour, changes in ((21, {}), (15, {"ip": STRANGER}), (9, {"ip": STRANGER})):
        start = SCORED_FROM + hour * HOUR
        change_events(cluster, ids_between(cluster, start, start + SPAN)[:1], **changes)


def mended_and_cleaned(_: MemoryCluster, worker: Worker) -> None:
    """Late rows that were replaced are left by a kill, until the next cleaning."""
    worker.tick(SCORED_FROM + 38 * HOUR)
    worker.live.clean(LATER + 2 * DAY)


def late_events_of_a_lost_snapshot(cluster: MemoryCluster) -> None:
    """A late event for a bucket whose snapshot somebody deleted."""
    ticked(30)(cluster)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(LATER))) as session:
        old = str(session.state.snapshot_id)
        session.retrain(company.LEARN_FROM + DAY, SCORED_FROM + DAY)
        assert session.state.snapshot_id != old
    ticked(36)(cluster)
    ClusterBlobs(cluster).delete(JOB.job_id, old)
    add_events(cluster, [(SCORED_FROM + 27 * HOUR, "person03", STRANGER)])


def much_to_clean(cluster: MemoryCluster) -> None:
    """Results of two months, three snapshots, and pieces of a training that was killed."""
    for days in range(1, 4):
        ticked(24 * days)(cluster)
        clock = parts.TestClock(parts.NOW + days * DAY)
        with open_session(JobResources(cluster, JOB, clock=clock)) as session:
            session.retrain(company.LEARN_FROM, SCORED_FROM + days * DAY)
    ticked(120)(cluster)
    blobs = ClusterBlobs(cluster)
    blobs.write(JOB.job_id, "history-20250101T000000Z-lost", "history_base", b"lost", created=0, attributes={"day": 1})
    lose_pieces(cluster)


def lose_pieces(cluster: MemoryCluster) -> None:
    """Pieces of a blob whose write was killed."""
    chunk = {"type": "chunk", "job_id": JOB.job_id, "blob_id": "lost", "chunk": 0, "sha256": "", "data": ""}
    cluster.bulk([Put(SNAPSHOT_INDEX, f"chunk:{JOB.job_id}:lost:0:1:{n}", chunk) for n in range(2)], refresh=True)


def results_deleted(cluster: MemoryCluster) -> None:
    """Somebody deleted a bucket, and what was said to be missing of the day before is there again."""
    ticked(54)(cluster)
    gone = [
        place
        for place, each in parts.results(cluster, JOB).items()
        if each["result_type"] == "bucket" and each["timestamp"] == (SCORED_FROM + 33 * HOUR) * 1_000
    ]
    cluster.bulk([Drop(*place) for place in gone], refresh=True)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(LATER))) as session:
        assert session.annotate([Annotation("results_missing", SCORED_FROM, SCORED_FROM + DAY, "1 buckets")]) == 1


def reverted(cluster: MemoryCluster, worker: Worker) -> None:
    """Back to the first snapshot; later results go."""
    networks = ClusterBlobs(cluster).list(JOB.job_id, "network")
    with open_session(worker.resources, lambda _: False) as session:
        first = min(networks, key=lambda info: str(info.attributes["trained_to"]))
        revert(session, plan_revert(worker.resources, first.id), delete_results=True)


def with_verdict(cluster: MemoryCluster) -> None:
    """A job that has something of everything."""
    ticked(54)(cluster)
    confirmed(cluster)


def confirmed(cluster: MemoryCluster, _: Worker | None = None) -> None:
    """A person's verdict."""
    JobVerdicts(cluster, JOB, LATER).give([VERDICT])


def with_verdict_on_a_record(cluster: MemoryCluster) -> None:
    """A verdict on one of the victim's networks, which has records."""
    ticked(54)(cluster)
    JobVerdicts(cluster, JOB, LATER).give([said(company.VICTIM, "101.7.0.9", time=SCORED_FROM + 54 * HOUR)])


def with_an_earlier_verdict(cluster: MemoryCluster) -> None:
    """A verdict as an earlier version kept it."""
    ticked(54)(cluster)
    source = {"type": "verdict", "job_id": JOB.job_id, "verdict": "confirmed", "entity": "person01", "ip": "192.0.2.1"}
    source |= {"by": "me", "time": (SCORED_FROM + 54 * HOUR) * 1_000}
    cluster.put(STATE_INDEX, "verdict:signins:1", source, refresh=True)


def taken_back(cluster: MemoryCluster, _: Worker) -> None:
    """The same person thinks better of it; said to be gone already, where the kill came after that."""
    with suppress(UsageError):
        JobVerdicts(cluster, JOB, LATER).revoke([("person01", "192.0.2.0/24")], "me")


def undone(cluster: MemoryCluster, _: Worker) -> None:
    """Just the verdict that was given is undone; nothing is in force any more where the kill came after that."""
    verdicts = JobVerdicts(cluster, JOB, LATER)
    verdicts.take_back([each for each in verdicts.all().verdicts if each.in_force], "me")


def confirmed_amid_a_deletion(cluster: MemoryCluster, _: Worker) -> None:
    """A verdict is written while another process takes the job to delete it, which it then does."""
    before, written = cluster.before, False

    def watched(operation: str, index: str) -> None:
        nonlocal written
        before(operation, index)
        if written:
            cluster.before, states = before, StateStore(cluster)
            states.acquire_lease(JOB.job_id, this_process(), LATER, 24, alive=lambda _: False, doing=DELETING)
        written = operation == "put" and index == VERDICTS_INDEX

    cluster.before = watched
    with suppress(JobBusy, UsageError):
        JobVerdicts(cluster, JOB, LATER).give([VERDICT])
    removal(cluster).delete()


def rule_added(cluster: MemoryCluster, _: Worker | None = None) -> None:
    """A person's rule; said to be there already, where the kill came after that."""
    allow = check_rule({"id": "office", "cidr": "198.51.100.0/24"})
    with suppress(UsageError):
        add_rules(RuleStore(cluster), [StoredRule(allow, "ours", "me", LATER, LATER)], [JOB], LATER)


def with_rule(cluster: MemoryCluster) -> None:
    """A job with a rule."""
    ticked(54)(cluster)
    rule_added(cluster)


def with_rule_for_the_past(cluster: MemoryCluster) -> None:
    """A rule that allows the sprayer since its day began, which is over."""
    ticked(54)(cluster)
    allow = check_rule({"id": "scanner", "cidr": f"{company.SPRAYER}/32"})
    RuleStore(cluster).add_rule(StoredRule(allow, "ours", "me", LATER, SCORED_FROM + DAY))


def with_rule_for_a_past_without_events(cluster: MemoryCluster) -> None:
    """The same, but the sprayer's events are gone."""
    with_rule_for_the_past(cluster)
    remove_events(cluster, ids_between(cluster, SCORED_FROM + DAY + 9 * HOUR, SCORED_FROM + DAY + 15 * HOUR))


def rule_ended(cluster: MemoryCluster, _: Worker) -> None:
    """The rule's end; said to have ended already, where the kill came after that."""
    with suppress(UsageError):
        RuleStore(cluster).end_rule("office", LATER + 1, "me")


def known_everywhere(cluster: MemoryCluster) -> None:
    """A person is in results, verdicts, rules, history, and in late rows that wait for the day's end."""
    lose_pieces(cluster)
    late_events(cluster)
    Worker(cluster, TEACHING).tick(SCORED_FROM + 38 * HOUR)
    confirmed(cluster)
    Worker(cluster, TEACHING).tick(SCORED_FROM + 39 * HOUR)
    RuleStore(cluster).add_rule(StoredRule(check_rule({"id": "one", "entity": PERSON}), "ours", "me", LATER, LATER))


def erased(cluster: MemoryCluster, worker: Worker) -> None:
    """The person is erased."""
    store = RuleStore(cluster)
    rules = rules_naming(store.documents(), [(TEACHING, PERSON)], everywhere=True)
    erase(worker.resources, PERSON, rules.names, alive=lambda _: False)
    store.delete_documents(rules.alone)


def removal(cluster: MemoryCluster) -> Removal:
    """By another process of this host: its clock is behind all epochs, as after a restore."""
    return Removal(cluster, JOB.job_id, parts.TestClock(LATER))


CLEANING = job(results_retention_days=2, model_snapshot_retention_days=1)
STAGES = (
    Stage("the first training", new_job, tick(7), job(training={**TRAINING, "min_history": "7d"})),
    Stage("one more index", ticked(36), tick(39), job(datafeed_config={"indices": [company.EVENTS, "test-more-*"]})),
    Stage("catching up", interim_that_vanishes(33), tick(51)),
    Stage("blindness", ticked(54), tick(72)),
    Stage("blindness that nobody said", blindness_unsaid, tick(73)),
    Stage("late events", late_events, mended_and_cleaned, TEACHING),
    Stage("late events of a lost snapshot", late_events_of_a_lost_snapshot, tick(37)),
    Stage("interim results", interim_that_vanishes(36), tick(38)),
    Stage("training again", ticked(21), tick(28), job(training={**TRAINING, "every": "1d"})),
    Stage("what a killed training said", trained_in_vain, tick(28)),
    Stage("cleaning", much_to_clean, lambda _, worker: worker.live.clean(LATER + 4 * DAY), CLEANING),
    Stage(
        "scoring anew",
        ticked(60),
        lambda cluster, _: parts.backfill(
            cluster, JOB, SCORED_FROM, SCORED_FROM + 30 * HOUR, again=True, time=LATER + HOUR
        ),
    ),
    Stage("deleted results", results_deleted, lambda _, worker: worker.live.clean(LATER + DAY)),
    Stage("going back", much_to_clean, reverted),
    Stage("a verdict", ticked(54), confirmed),
    Stage("a verdict that is taken back", with_verdict, taken_back),
    Stage("an earlier version's verdict that is taken back", with_an_earlier_verdict, taken_back),
    Stage("a verdict that is undone", with_verdict, undone),
    Stage("marks of a verdict", with_verdict_on_a_record, tick(54)),
    Stage("a verdict amid a deletion", with_verdict, confirmed_amid_a_deletion),
    Stage("a rule", ticked(54), rule_added),
    Stage("a rule that ends", with_rule, rule_ended),
    Stage("a rule for the past", with_rule_for_the_past, tick(54)),
    Stage("a rule for a past without events", with_rule_for_a_past_without_events, tick(54)),
    Stage("an erased person", known_everywhere, erased, TEACHING),
    Stage("a reset", with_verdict, lambda cluster, _: removal(cluster).reset()),
    Stage("a deletion", with_verdict, lambda cluster, _: removal(cluster).delete()),
)
