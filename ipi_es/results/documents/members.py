"""Members of an influencer or a bucket: their number, how many were never learned, and the names of the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD, NetworkType
from ipi_es.results.documents import ids
from ipi_es.results.documents.phrases import (
    begun_with_capital,
    dated_repeat,
    events_text,
    learned_before,
    of_groups,
    of_types,
    one_in,
    plural,
    rule_text,
    scheduled_text,
    types_text,
)
from ipi_es.results.reading.reported import EGRESS_MOVE
from ipi_es.times import from_ms

NAMED = 10
"""The most names that a result holds, the worst first."""

IN_SENTENCE = 5
"""The most names in a sentence; the others are counted."""


@dataclass(frozen=True, slots=True)
class Members:
    """The entities of one address (or the addresses of one entity) in a bucket, written as records or not.

    ``count`` counts the distinct ones. Of these, ``repeats`` repeat earlier findings, ``allowed`` are allowed, and
    ``unlearned`` are neither, and weren't learned before the bucket's UTC day. ``names`` are at most :data:`NAMED`,
    the worst first. ``outcomes``: (outcome, events), where the job scores several. ``operators`` (numbers),
    ``organizations``, ``countries`` and ``network_types`` belong to the named addresses, each once.
    """

    count: int
    unlearned: int
    repeats: int
    allowed: int
    names: tuple[str, ...]
    event_count: int
    outcomes: tuple[tuple[str, int], ...] = ()
    operators: tuple[int, ...] = ()
    organizations: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    network_types: tuple[NetworkType, ...] = ()

    def to_dict(self, *, of_entity: bool) -> dict[str, Any]:
        """Return the fields of an influencer: an entity's, or else an address's."""
        what = "ip" if of_entity else "entity"
        body: dict[str, Any] = {
            "event_count": self.event_count,
            f"{what}_count": self.count,
            f"unlearned_{what}_count": self.unlearned,
            f"repeated_{what}_count": self.repeats,
            f"allowed_{what}_count": self.allowed,
            "top_ips" if of_entity else "top_entities": list(self.names),
        }
        if self.outcomes:
            body["outcomes"] = outcome_list(self.outcomes)
        context = {
            "source.as.number": self.operators,
            "source.as.organization.name": self.organizations,
            "source.geo.country_iso_code": self.countries,
            TYPES_FIELD: self.network_types,
        }
        return body | {name: list(values) for name, values in context.items() if values}


@dataclass(frozen=True, slots=True)
class Unusual:
    """Counts of a bucket's unusual pairs that are neither repeats nor allowed, written as records or not.

    ``unlearned`` counts the pairs that weren't learned before the bucket's UTC day.
    """

    pairs: int
    entities: int
    ips: int
    unlearned: int

    def to_dict(self) -> dict[str, int]:
        """Return the fields of a bucket."""
        return {
            "unusual_pair_count": self.pairs,
            "unusual_entity_count": self.entities,
            "unusual_ip_count": self.ips,
            "unlearned_pair_count": self.unlearned,
        }


def outcome_list(outcomes: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Convert pairs of (outcome, events) to the list that results store."""
    return [{"outcome": outcome, "count": count} for outcome, count in outcomes]


def influencer_sentence(source: Mapping[str, Any], other_field: str) -> str:
    """Describe an influencer and its members in sentences; ``other_field`` is the field of its members."""
    value, of_entity = str(source["influencer_field_value"]), "ip_count" in source
    what = "ip" if of_entity else "entity"
    count, unlearned, repeats, allowed = (
        int(source.get(f"{part}{what}_count") or 0) for part in ("", "unlearned_", "repeated_", "allowed_")
    )
    names: Sequence[str] = source.get("top_ips" if of_entity else "top_entities") or ()
    verb = "used" if of_entity else "was used by"
    seen = f"{value} {verb} {plural(count, f'{other_field} value')} ({events_text(source)})"
    rarity = one_in(float(source["probability"]), f"{source['influencer_field_name']} value")
    sentences = [
        *_moved(source, other_field),
        f"{seen}: {some(names, IN_SENTENCE, total=count)}" if names else seen,  # none: all of them were erased
        *learned_before(int(source["timestamp"]), _never(value, count, unlearned, of_entity=of_entity)),
        *_others(repeats, allowed),
        *_places(source, plural_form=of_entity),
        *(of_groups(value, source.get(GROUPS_FIELD) or ()) if of_entity else of_types(value, source)),
        begun_with_capital(f"{rarity} is as unusual as this"),
    ]
    if source.get("repeat_of"):
        sentences.append(dated_repeat(ids.start_of(str(source["repeat_of"])), now=from_ms(source["timestamp"])))
    if source.get("suppressed_by"):
        sentences.append(rule_text(str(source["suppressed_by"])))
    sentences += scheduled_text(source)
    return ". ".join(sentences) + "."


def _moved(source: Mapping[str, Any], other_field: str) -> list[str]:
    """Return sentences on the move of a group to another network, which an address's influencer reports."""
    move: Mapping[str, Any] | None = source.get(EGRESS_MOVE)
    if move is None:
        return []
    count, left, behind = (int(move[f"{what}_count"]) for what in ("entity", "left", "left_behind"))
    noun = f"{other_field} value"
    who = f"{plural(count, noun)} moved to {move['network']}"
    former = some(move["former_networks"], IN_SENTENCE, total=len(move["former_networks"]))
    if not left or not former:
        return [f"{who}, as others did before"]
    whole = "all of them" if left == count else f"{left:,} of them"
    still = f"{f'only {plural(behind, noun)}' if behind else 'nobody'} used in this bucket"
    return [f"{who}: {whole} used {former} before, which {still}"]


def _never(value: str, count: int, unlearned: int, *, of_entity: bool) -> list[str]:
    if not unlearned:
        return []
    if of_entity:
        return [f"{value} never used " + ("any of them" if unlearned == count else f"{unlearned:,} of them")]
    return ["none of them used it" if unlearned == count else f"{unlearned:,} of them never used it"]


def _others(repeats: int, allowed: int) -> list[str]:
    parts = []
    if repeats:
        parts.append(f"{repeats:,} {'repeats an earlier finding' if repeats == 1 else 'repeat earlier findings'}")
    if allowed:
        parts.append(f"{allowed:,} {'is' if allowed == 1 else 'are'} allowed")
    return [f"Of them {' and '.join(parts)}"] if parts else []


def _places(source: Mapping[str, Any], *, plural_form: bool) -> list[str]:
    operators = [f"AS{number}" for number in source.get("source.as.number") or ()]
    countries = [str(country) for country in source.get("source.geo.country_iso_code") or ()]
    said = []
    for noun, values in (("operator", operators), ("country", countries)):
        if values:
            many = {"operator": "operators", "country": "countries"}[noun] if plural_form else noun
            said.append(f"{many if len(values) > 1 else noun} {', '.join(values)}")
    if plural_form and types_text(source):
        said.append(f"networks of {types_text(source)}")
    return [begun_with_capital("; ".join(said))] if said else []


def bucket_sentence(source: Mapping[str, Any], entity_field: str, ip_field: str) -> str | None:
    """Describe in sentences what is unusual in a bucket; return None if nothing is."""
    pairs = int(source["unusual_pair_count"])
    if not pairs:
        return None
    entities, ips, unlearned = (
        int(source[name]) for name in ("unusual_entity_count", "unusual_ip_count", "unlearned_pair_count")
    )
    who = some(source.get("top_entities") or (), IN_SENTENCE, total=entities)
    where = some(source.get("top_ips") or (), IN_SENTENCE, total=ips)
    whose = f"{plural(entities, f'{entity_field} value')} and {plural(ips, f'{ip_field} value')}"
    sentences = [f"{plural(pairs, 'unusual pair')} of {whose}" + (f": {who}; from {where}" if who and where else "")]
    never = "none of these pairs occurred" if unlearned == pairs else f"{unlearned:,} of these pairs never occurred"
    sentences += learned_before(int(source["timestamp"]), [never] if unlearned else [])
    sentences += scheduled_text(source)
    return ". ".join(sentences) + "."
