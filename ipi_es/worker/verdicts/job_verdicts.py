"""Give and revoke verdicts on a job's findings.

No lease is needed: a verdict is a document of its own, which the job's worker finds (:mod:`.result_marks`). A job that
is being deleted takes no verdicts: the deletion may already have deleted its verdicts, so the job is checked after
writing too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ipi_es.cluster.port import Cluster, Document
from ipi_es.config.given_verdict import COMPROMISED, Verdict, VerdictWord
from ipi_es.config.job_config import Job
from ipi_es.errors import IpiEsError, JobBusy, NotFound, PermissionDenied, UsageError
from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.documents import ids
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incidents_there import require_incident
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.reported import EGRESS_MOVE
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import ALIAS, INCIDENT
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.state.owner import owner_for_people
from ipi_es.state.verdict_store import MOST_COMMENT, StoredVerdicts, VerdictStore
from ipi_es.times import from_ms, iso
from ipi_es.worker.changed_settings import require_same_key
from ipi_es.worker.upkeep.removal import DELETING
from ipi_es.worker.verdicts.known_verdicts import CLOCKS_APART, KnownVerdicts, Place, network_of

HOSTING = "hosting"
"""The type of network whose whole operator a compromised account endangers: anybody can rent an address there."""


class Statement(NamedTuple):
    """What is said of a finding."""

    word: VerdictWord
    by: str
    comment: str


SHOWN = 3
"""Ids of results that a message names."""


class JobVerdicts:
    """The verdicts on one job's findings; ``now`` is in epoch seconds."""

    def __init__(self, cluster: Cluster, job: Job, now: int) -> None:
        self._job, self._now, self._cluster = job, now, cluster
        self._states, self._store = StateStore(cluster), VerdictStore(cluster, job.job_id)
        self._results = ResultReader(cluster, job.job_id)

    def all(self) -> StoredVerdicts:
        """Return all verdicts of the job, revoked ones too, the oldest first."""
        return self._store.all()

    def in_force(self) -> KnownVerdicts:
        """Return the verdicts in force."""
        return KnownVerdicts.of(self._job, self.all().verdicts, self._now + CLOCKS_APART)

    def give(self, verdicts: Sequence[Verdict]) -> None:
        """Store verdicts. Raises UsageError and JobBusy as :meth:`require_allowed` does."""
        self.require_allowed(verdicts)
        for each in verdicts:
            stored = self._store.add_verdict(each)
            try:
                self._require_job()
            except IpiEsError:
                with suppress(PermissionDenied):  # an analyst may not delete: the verdict stays, without any effect
                    self._store.delete_verdicts([stored.id])
                raise

    def require_allowed(self, verdicts: Sequence[Verdict]) -> None:
        """Require that verdicts can be given.

        Raises UsageError if the job has no state (it never ran, or was deleted), or if a stronger verdict on the same
        entity and network is in force. Raises JobChanged where results have other pseudonyms than the job's key gives.
        Raises JobBusy while the job is being deleted.
        """
        state = self._require_job()
        for each in verdicts:
            require_same_key(self._job, state, each.entity)
            if len(each.comment) > MOST_COMMENT:
                raise UsageError(
                    f"the comment has {len(each.comment):,} characters, more than {MOST_COMMENT:,}", hint="shorten it"
                )
        known = self.in_force()
        for each in verdicts:
            self._refuse_weaker(known, each)

    def revoke(self, places: Sequence[Place], by: str) -> list[Verdict]:
        """Revoke all verdicts in force on (entity, network) places, at least one; return them.

        Raises UsageError where there is none. Raises UsageError or JobBusy as :meth:`give` does.
        """
        state = self._require_job()
        for entity, _ in places:
            require_same_key(self._job, state, entity)
        known = self.in_force()
        wanted = {each.id for place in places for each in known.by_place.get(place, ())}
        if not wanted:
            entity, network = places[0]
            raise UsageError(
                f"there is no verdict on {visible(entity)} and {network}",
                hint=f"ipi-es verdict list {self._job.job_id} shows all",
            )
        stored = {each.id: each for each in self.all().verdicts}
        for place in sorted(wanted):
            self._store.revoke_verdict(stored[place], self._now, by)
        return [stored[place] for place in sorted(wanted)]

    def take_back(self, verdicts: Sequence[Verdict], by: str) -> None:
        """Revoke exactly these verdicts, which :meth:`all` gave; others on the same places stay in force.

        Raises UsageError or JobBusy as :meth:`give` does.
        """
        self._require_job()
        for each in verdicts:
            self._store.revoke_verdict(each, self._now, by)

    def records_of(self, found: Document) -> list[Document]:
        """Return the records that a result is about: a record itself, or those of an influencer in its bucket.

        Raises UsageError for an influencer without records, and for other results.
        """
        source = found.source
        if source["result_type"] == "record":
            return [found]
        if source["result_type"] != "influencer":
            raise UsageError(
                f"{found.id} is a {source['result_type']}",
                hint="give the verdict on a record or an influencer of it: ipi-es results records …",
            )
        records = self._records(found)
        if not records:
            raise UsageError(
                f"{found.id} has no records: none of its sign-ins is unusual by itself",
                hint=f"name the pair: ipi-es verdict … {self._job.job_id} ENTITY IP",
            )
        return records

    def drafts(self, found: Document, said: Statement) -> list[Verdict]:
        """Return the verdicts to give on a result, or on all results of an incident. Raises UsageError as they do."""
        if found.source["result_type"] != INCIDENT:
            return [self._of_record(record, said, found.id) for record in self.records_of(found)]
        made: list[Verdict] = []
        incident = require_incident(self._cluster, found, self._job.incident_gap)
        for each in find_results(self._cluster, [place for place, _ in incident.results]):
            records = [each] if each.source["result_type"] == "record" else self._records(each)
            made += [self._of_record(record, said, each.id) for record in records] or self._of_members(each, said)
        kept: dict[object, Verdict] = {}
        for draft in sorted(made, key=lambda each: each.since):
            kept.setdefault((draft.entity, network_of(draft.ip)), draft)
            kept.setdefault(draft.result, draft)  # an influencer is answered by a verdict on itself
        return list({id(each): each for each in kept.values()}.values())

    def has_records(self, verdict: Verdict) -> bool:
        """Return whether a verdict's entity has a record from that network in the time that it is about."""
        found = self._results.of_entities([verdict.entity], verdict.since, verdict.time + 1)
        return any(network_of(each.source["by_field_value"]) == network_of(verdict.ip) for each in found)

    def _records(self, influencer: Document) -> list[Document]:
        """Return the records of an influencer in its bucket; of one that reports a move, those of the whole move."""
        source = influencer.source
        if EGRESS_MOVE in source:
            return sorted(self._results.repeating(influencer.id), key=lambda each: (each.source["timestamp"], each.id))
        start, value = from_ms(source["timestamp"]), source["influencer_field_value"]
        of_entity = source["influencer_field_name"] == self._job.entity_field
        where = ResultFilter(start, start + 1, entity=value if of_entity else None, ip=None if of_entity else value)
        return self._results.read("record", where, size=10_000)

    def _of_members(self, influencer: Document, said: Statement) -> list[Verdict]:
        """Return verdicts on the pairs that an influencer without records names."""
        source = influencer.source
        start, value = from_ms(source["timestamp"]), str(source["influencer_field_value"])
        if source["influencer_field_name"] == self._job.entity_field:
            pairs = [(value, str(ip)) for ip in source.get("top_ips") or ()]
        else:
            pairs = [(str(entity), value) for entity in source.get("top_entities") or ()]
        since = min(start, self._now)
        return [
            Verdict(said.word, entity, ip, said.by, self._now, since, said.comment, result=influencer.id)
            for entity, ip in pairs
        ]

    def _of_record(self, record: Document, said: Statement, given_on: str) -> Verdict:
        """Return the verdict on a record, from the first finding that it repeats on; ``given_on``: a result's id."""
        source = record.source
        first = ids.start_of(str(source["repeat_of"])) if source.get("repeat_of") else None
        start = from_ms(source["timestamp"])
        hosting = HOSTING in (source.get(TYPES_FIELD) or ())
        return Verdict(
            verdict=said.word,
            entity=source["partition_field_value"],
            ip=source["by_field_value"],
            by=said.by,
            time=self._now,
            since=min(start if first is None else min(first, start), self._now),
            comment=said.comment,
            result=given_on,
            operator=source.get("source.as.number") if hosting and said.word == COMPROMISED else None,
        )

    def _refuse_weaker(self, known: KnownVerdicts, verdict: Verdict) -> None:
        others = known.by_place.get((verdict.entity, network_of(verdict.ip)), ())
        attack = next((each for each in others if each.verdict == COMPROMISED), None)
        if attack is not None and verdict.verdict != COMPROMISED:
            entity = visible(attack.entity)
            raise UsageError(
                f"{visible(attack.by)} said {iso(attack.time)} that {entity} was compromised from "
                f"{network_of(attack.ip)}, which counts more than “{verdict.verdict}”",
                hint=f"if that was wrong: ipi-es verdict revoke {self._job.job_id} {entity} {attack.ip}",
            )

    def _require_job(self) -> JobState:
        job_id = self._job.job_id
        state = self._states.read(job_id)
        if state is None:
            raise UsageError(
                f"job {job_id} has no state: it never ran, or it was deleted", hint=f"train it: ipi-es train {job_id}"
            )
        if state.lease_for == DELETING:
            holder = owner_for_people(str(state.lease_owner))
            since = iso(state.lease_since or 0)
            raise JobBusy(
                f"job {job_id} is held by {holder}, {DELETING} since {since}",
                hint=f"if that was stopped, `ipi-es job delete {job_id}` brings it to its end",
            )
        return state


def find_results(cluster: Cluster, result_ids: Sequence[str]) -> list[Document]:
    """Return results of any jobs by their ids, in that order. Raises UsageError where some aren't there."""
    with suppress(PermissionDenied):  # who may only read sees what is visible already
        cluster.refresh(ALIAS)
    try:
        hits = list(cluster.scan(ALIAS, {"ids": {"values": list(result_ids)}}))
    except NotFound:
        hits = []
    found = {each.id: each for each in hits}
    missing = [each for each in result_ids if each not in found]
    if missing:
        raise UsageError(
            f"there is no result {some(missing, SHOWN)}",
            hint="`ipi-es results records JOB --format json` shows the ids; results are deleted after their retention",
        )
    return [found[each] for each in result_ids]
