"""Facts about a pair for `ipi-es explain`: plain values under fixed names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipi_es.scoring.probability import severity
from ipi_es.times import SECONDS, from_ms, iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipi_es.config.given_verdict import Verdict
    from ipi_es.config.job_config import Job
    from ipi_es.config.rules.allow_list import AllowList, Matchable
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.pair_explanation import PairExplanation
    from ipi_es.networks.network_types import NetworkType
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.verdicts.endangered_pairs import CompromisedSource

RECENT = 5
"""Records of the pair that are shown, the latest first."""


@dataclass(frozen=True, slots=True)
class PairFacts:
    """Facts about one (entity, address), as of the end of the job's history."""

    job_id: str
    snapshot_id: str
    as_of: int
    """End of the history, epoch seconds."""
    history_days: int
    class_name: str
    """The entity's calibration class, by the number of its known events."""
    probability: float
    """As it would be scored now, small = unusual."""
    calibrated_probability: float
    """As calibrated: without the effect of warm-up, and of a compromised account near the pair."""
    score_cap: float
    """0–100: the highest possible score if the pair were seen now. Only the cap by probability is applied: the other
    caps depend on the bucket that the pair is in."""
    suppressed_by: str | None
    """The rule of the job's allow list that matches the pair: it raises no alarm and isn't learned."""
    scheduled_events: tuple[str, ...]
    """The scheduled events of the job that are in force now."""
    cold_start: tuple[str, ...]
    """Reasons why little is known (:data:`ipi_es.results.documents.explanation.COLD_START`)."""
    seen: PairExplanation
    groups: tuple[str, ...]
    """Groups of the entity, by the file that the job names."""
    network_types: tuple[str, ...]
    """Types of the address's networks (:data:`ipi_es.networks.network_types.NETWORK_TYPES`)."""
    records: tuple[Mapping[str, Any], ...]
    """Its latest records, as `ipi-es results` prints them."""
    record_count: int
    """Number of all its records."""
    first_recorded: int | None
    """Start of the first record's bucket, epoch seconds."""
    verdicts: tuple[Verdict, ...]
    """Verdicts in force on the entity and the network, the oldest first."""
    endangered_by: CompromisedSource | None
    """The compromised account near the pair, which makes ``probability`` smaller."""
    held_until: int | None
    """Epoch seconds before which its latest records keep the pair from being learned; None: not held at ``as_of``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the facts for JSON. Every key is always present; null: unknown, or there is none."""
        seen, near = self.seen, self.endangered_by
        return {
            "job_id": self.job_id,
            "entity": seen.entity,
            "ip": seen.address,
            "as_of": iso(self.as_of),
            "snapshot_id": self.snapshot_id,
            "compatibility": seen.compatibility,
            "typical_compatibility": seen.typical_compatibility,
            "probability": self.probability,
            "calibrated_probability": self.calibrated_probability,
            "class": self.class_name,
            "score_cap": self.score_cap,
            "severity_cap": str(severity(self.score_cap)),
            "suppressed_by": self.suppressed_by,
            "scheduled_events": list(self.scheduled_events),
            "history_days": self.history_days,
            "cold_start": list(self.cold_start),
            "entity_seen": seen.entity_seen,
            "prior_events": seen.prior_events,
            "usual_networks": [
                {
                    "network": each.network,
                    "share": each.share,
                    "last_address": each.address,
                    "last_day": iso(each.last_day * SECONDS["d"])[:10],
                }
                for each in seen.usual
            ],
            "by_field_first_occurrence": seen.first_occurrence,
            "by_field_relative_rarity": seen.relative_rarity,
            "network": seen.network,
            "network_first_occurrence": seen.network_first_occurrence,
            "network_new_to_everybody": seen.network_new_to_everybody,
            "entities_on_network": seen.entities_on_network,
            "operator": seen.operator or None,
            "operator_first_occurrence": seen.operator_first_occurrence,
            "operator_new_to_everybody": seen.operator_new_to_everybody,
            "country": seen.country,
            "country_first_occurrence": seen.country_first_occurrence,
            "entity_groups": list(self.groups),
            "network_types": list(self.network_types),
            "longest_shared_prefix": None if seen.shared_prefix_with is None else seen.shared_prefix_length,
            "shared_prefix_with": seen.shared_prefix_with,
            "record_count": self.record_count,
            "first_recorded": None if self.first_recorded is None else iso(self.first_recorded),
            "verdicts": [
                {"time": iso(each.time), "verdict": each.verdict, "by": each.by, "comment": each.comment}
                for each in self.verdicts
            ],
            "endangered_by": None if near is None else {"entity": near.entity, "source": near.text},
            "held_until": None if self.held_until is None else iso(self.held_until),
            "records": list(self.records),
        }


def facts_of(work: JobResources, entity: str, address: bytes) -> PairFacts:
    """Collect what is known of the pair; ``address`` is 16 bytes in network order (IPv4 mapped)."""
    import numpy as np

    from ipi_es.addresses import canonical
    from ipi_es.ipinsights.pair_explanation import explain
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.results.documents.explanation import cold_start
    from ipi_es.results.reading.queries import ResultFilter
    from ipi_es.scoring.calibration import CLASS_NAMES
    from ipi_es.scoring.history_age import YOUNG_DAYS
    from ipi_es.scoring.normalizer import probability_cap
    from ipi_es.scoring.probability import endangered
    from ipi_es.state.job_state import JobState
    from ipi_es.worker.history.history_keeper import HistoryId
    from ipi_es.worker.verdicts.endangered_pairs import factors, with_new_networks
    from ipi_es.worker.verdicts.known_verdicts import network_of

    trained = (work.stores.states.read(work.job.job_id) or JobState(work.job.job_id)).trained
    snapshot = work.snapshot(trained.snapshot_id)
    history = work.keeper(HistoryId.parse(trained.history_id)).history
    ip = canonical(address)
    latest = work.stores.results.read("record", ResultFilter(ip=ip), sort="timestamp", size=1)
    shown = latest[0].source if latest else {}
    context, types = _context(work, shown, address), _types(work, shown, address)
    seen = explain(Scorer(snapshot.network, history), entity, address, context)
    age = history.age
    judged = snapshot.references.judge([seen.compatibility], [seen.prior_events], [age], np.zeros(1, dtype=np.bool_))
    class_, calibrated = judged.history_class, judged.calibrated.ln_p
    results, allow, now = work.stores.results, work.allow_list(), work.stores.clock.now()
    named = _groups_of_events(work, entity)
    names, row = _matchable(entity, address, named, context, types, work.stores.clock.now()), np.zeros(1, np.int32)
    known = work.verdicts()
    near = with_new_networks(known.endangering(names, row, row), history, names, row, row)
    scored = endangered(judged.ln_p, factors(near, 1))
    pair = ResultFilter(entity=entity, ip=ip)
    records = results.read("record", pair, sort="timestamp", size=RECENT)
    first = results.read("record", pair, sort="timestamp", desc=False, size=1)
    until = max((from_ms(each.source["held_until"]) for each in records if "held_until" in each.source), default=0)
    return PairFacts(
        job_id=work.job.job_id,
        snapshot_id=trained.snapshot_id,
        as_of=history.day * SECONDS["d"],
        history_days=int(age),
        class_name=CLASS_NAMES[int(class_[0])],
        probability=float(np.exp(scored[0])),
        calibrated_probability=float(np.exp(calibrated[0])),
        score_cap=float(np.clip(probability_cap(scored[:1])[0], 0.0, 100.0)),
        suppressed_by=_allowed_by(allow, names),
        scheduled_events=allow.calendar.of_bucket(now, now + 1),
        cold_start=cold_start(int(class_[0]), young=age < YOUNG_DAYS, new_network=seen.network_new_to_everybody),
        seen=seen,
        groups=_groups(work.folded_job(), entity, named),
        network_types=types,
        records=tuple(each.source for each in records),
        record_count=results.count("record", pair) if len(records) == RECENT else len(records),
        first_recorded=from_ms(first[0].source["timestamp"]) if first else None,
        verdicts=known.by_place.get((entity, network_of(ip)), ()),
        endangered_by=near.get(0),
        held_until=until if until > history.day * SECONDS["d"] else None,
    )


def _groups_of_events(work: JobResources, entity: str) -> dict[str, tuple[str, ...]]:
    """Return the groups that the events named of an entity when it last had a record; empty: none are known."""
    from ipi_es.config.files.entity_groups import GROUPS_FIELD
    from ipi_es.results.reading.queries import ResultFilter

    if work.job.group_field is None:
        return {}
    latest = work.stores.results.read("record", ResultFilter(entity=entity), sort="timestamp", size=1)
    return {entity: tuple(latest[0].source.get(GROUPS_FIELD) or ())} if latest else {}


def _groups(job: Job, entity: str, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    groups = job.read_entity_groups()
    return () if groups is None else groups.with_named(named).of(entity)


def _matchable(
    entity: str,
    address: bytes,
    named: Mapping[str, tuple[str, ...]],
    context: AddressContext,
    types: Sequence[NetworkType],
    time: int,
) -> Matchable:
    """Return the pair for rules at ``time``; ``entity`` is normalized, ``named`` are the groups that events name."""
    import numpy as np

    from ipi_es.config.rules.allow_list import Matchable
    from ipi_es.networks.network_types import type_bits

    bits = np.array([sum(map(type_bits, types))], dtype=np.uint8)
    addresses = np.frombuffer(address, dtype=np.uint8).reshape(1, 16)
    return Matchable([entity], addresses, named, context.operator, context.country, bits, time)


def _allowed_by(allow: AllowList, pair: Matchable) -> str | None:
    """Return the first rule that matches the pair now."""
    import numpy as np

    from ipi_es.config.rules.allow_list import NO_RULE

    only = np.zeros(1, dtype=np.int32)
    (rule,) = allow.match(pair, only, only)
    return None if rule == NO_RULE else allow.name(rule)


def _context(work: JobResources, latest: Mapping[str, Any], address: bytes) -> AddressContext:
    """Return the address's operator and country: from the network files, else from its latest record.

    Where events carry these, the pair would otherwise be scored with less context than its record was.
    """
    import numpy as np

    from ipi_es.datafeed.bucket_context import context_from
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.networks.network_values import country_number, operator_number

    found = AddressContext.none(1)
    if work.feed.networks is not None:
        found = context_from(work.feed.networks, np.frombuffer(address, dtype=np.uint8).reshape(1, 16))
    operator = operator_number(latest.get("source.as.number"))
    country = country_number(latest.get("source.geo.country_iso_code"))
    return AddressContext(
        np.where(found.operator == 0, operator, found.operator).astype(np.uint32),
        np.where(found.country == 0, country, found.country).astype(np.uint16),
    )


def _types(work: JobResources, latest: Mapping[str, Any], address: bytes) -> tuple[NetworkType, ...]:
    """Return the types of the address's networks: from the network files, else from its latest record."""
    import numpy as np

    from ipi_es.networks.network_types import NETWORK_TYPES, TYPES_FIELD, type_names

    if work.feed.networks is not None:
        (bits,) = work.feed.networks.look_up(np.frombuffer(address, dtype=np.uint8).reshape(1, 16)).types.tolist()
        if bits:
            return type_names(bits)
    return tuple(each for each in NETWORK_TYPES if each in (latest.get(TYPES_FIELD) or ()))
