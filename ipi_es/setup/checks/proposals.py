"""Propose fields for a role: by type, then by contents, and by name only among those. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from ipi_es.addresses import is_private, parse
from ipi_es.config.files.nearest import nearest
from ipi_es.networks.network_values import country_number, operator_number
from ipi_es.setup.contents.client_addresses import address_figures, hidden_client
from ipi_es.setup.contents.outcome_words import meaning_in, parts
from ipi_es.setup.facts.document_sample import FILLED, MOSTLY, FieldContents, Sample
from ipi_es.setup.facts.field_roles import ENTITY, FORWARDED, IP, OUTCOME, TIME, FieldRole, FieldTypes, serves

ContextPart: TypeAlias = Literal["operator", "country"]

ALIKE = 0.8
"""Similarity of names (0–1) from which a name counts as a misspelled field, before the usual names are tried."""

ONE_VALUE = 0.5
"""Share of the documents with several values from which a field is proposed only if there is no other."""

ONE_EACH = 0.9
"""Share of different values above which a field identifies single events and not users."""

FEW = 20
"""Number of documents up to which it can't be decided whether a field distinguishes users."""

_PEOPLE = ("user", "login", "account", "email", "upn", "principal", "username", "actor", "subject", "member")
"""Parts of the names of user fields, in logs that follow no convention."""

_OTHER_END = frozenset({"destination", "server", "host", "observer", "agent", "node", "dst", "dest"})
"""Words in field names for the other end of a sign-in, whose operator and country don't concern the client."""

_COPIES = "related."
"""Fields of ECS that repeat what other fields hold."""

_SAYS_COUNTRY = frozenset({"country", "countrycode", "nation"})
_NAMES_ONLY = frozenset({"name", "organization", "org", "continent", "region", "city"})


def propose(role: FieldRole, name: str, everything: FieldTypes, sample: Sample) -> str | None:
    """Propose a field whose type and contents fit the role; None: there is none.

    The order among these is: a name spelled almost like ``name``, then the usual names, then a name with words of the
    role, then the name most similar to ``name``.
    """
    fitting = [
        other
        for other, types in sorted(everything.items())
        if serves(role, types) and not other.startswith("_") and _holds(role, sample, other)
    ]
    if role is IP and sample.documents:  # a proxy's addresses, or private ones, only where no other field has better
        figures = {each: address_figures(sample, each) for each in fitting}
        clients = [figures[each] for each in fitting if speaks_of(IP, each)]
        fitting = [each for each in fitting if hidden_client(figures[each], clients) is None] or fitting
    if role in (IP, ENTITY):  # a field with several values is better than none, and `check` reports these
        fitting = [
            each for each in fitting if sample.held(each).several < ONE_VALUE * sample.held(each).filled
        ] or fitting
    return best_named(role, name, fitting, sample) or nearest(name, fitting)


def best_named(role: FieldRole, name: str, fitting: Sequence[str], sample: Sample) -> str | None:
    """Return the field with a name almost like ``name``, the role's usual names, or words of the role; else None."""
    usual = (each for each in role.usual if each in fitting)
    by_role = (each for each in fitting if sample.documents and speaks_of(role, each))
    return nearest(name, fitting, ALIKE) or next(usual, None) or next(by_role, None)


def address_fields(sample: Sample) -> list[str]:
    """List the sampled fields that hold addresses of the sign-ins' clients, by contents; names exclude servers'."""
    names = (name for name in sample.names if speaks_of(IP, name) and not name.startswith(_COPIES))
    return [name for name in names if _holds(IP, sample, name)]


def other_addresses(ip_field: str, types: Iterable[str], sample: Sample) -> list[str]:
    """List fields that may hold the client's own address, in case the job's field holds a proxy's."""
    there = [name for name in FORWARDED if name in types and name != ip_field]
    if not sample.documents:
        return there
    own = sample.held(ip_field).values
    return [name for name in there if _holds(IP, sample, name) and sample.held(name).values != own]


def elsewhere(part: ContextPart, ip_field: str, sample: Sample) -> list[str]:
    """List fields with the operator, or the country's two letters, of the address in ``ip_field``; best first.

    Each holds valid values on most documents with the address, has one value for one address, and doesn't belong to
    another public address of the same document.
    """
    with_ip = [document for document in sample.documents if sample.values(document, ip_field)]
    part_of: Callable[[str], bool] = _is_operator if part == "operator" else _is_country
    known = Sample(tuple(with_ip))
    found = []
    for name in known.names:
        held = known.held(name)
        if not part_of(name) or held.filled < FILLED * len(with_ip) or not _parses(part, held):
            continue
        if _steady(known, ip_field, name) and not _of_another(known, ip_field, name):
            found.append(name)
    return sorted(found, key=lambda name: (-_common(name, ip_field), name.count("."), name))


def parsed(part: ContextPart, value: str) -> bool:
    """Return whether a value is an operator's number, or a country's two letters."""
    return bool(operator_number(value) if part == "operator" else country_number(value))


def _holds(role: FieldRole, sample: Sample, name: str) -> bool:
    """Return whether a field's contents in the sampled documents fit the role; true if there are no documents."""
    if not sample.documents:
        return True
    held = sample.held(name)
    if held.filled < FILLED * len(sample.documents):
        return False
    if role is OUTCOME:
        failures = any(meaning_in(name, word) == "failure" for word in held.values)
        return held.several < ONE_VALUE * held.filled and (failures or name in role.usual[:1])
    if role is IP:
        return held.addresses >= MOSTLY
    if role is not ENTITY:
        return True
    different = len(held.values)
    few = held.filled <= FEW
    return held.addresses < MOSTLY and (few or 1 < different <= ONE_EACH * held.filled)


def speaks_of(role: FieldRole, name: str) -> bool:
    """Return whether a field's name has words of the role."""
    if role is ENTITY:
        return any(each in part for each in _PEOPLE for part in parts(name)) and "agent" not in parts(name)
    return role in (TIME, OUTCOME) or (role is IP and not set(parts(name)) & _OTHER_END)


def is_other_end(name: str) -> bool:
    """Return whether a field's name says that it is of the other end of a sign-in: a host, a server, an agent."""
    return bool(set(parts(name)) & _OTHER_END)


def _is_operator(name: str) -> bool:
    words = parts(name)
    if set(words) & _OTHER_END or set(words) & _NAMES_ONLY:
        return False
    return "asn" in words or {"autonomous", "number"} <= set(words) or words[-2:] == ["as", "number"]


def _is_country(name: str) -> bool:
    words = set(parts(name))
    return bool(words & _SAYS_COUNTRY) and not words & _OTHER_END


def _parses(part: ContextPart, held: FieldContents) -> bool:
    return held.share(lambda value: parsed(part, value)) >= MOSTLY


def _steady(sample: Sample, ip_field: str, name: str) -> bool:
    """Return whether one address has one value: a value that differs between events doesn't describe the address."""
    seen: dict[str, set[str]] = defaultdict(set)
    for document in sample.documents:
        for address in sample.values(document, ip_field):
            seen[address].update(sample.values(document, name))
    return sum(len(values) > 1 for values in seen.values()) <= (1 - MOSTLY) * len(seen)


def _of_another(sample: Sample, ip_field: str, name: str) -> bool:
    """Return whether, on most documents, the field belongs to another public address than that in ``ip_field``."""
    base = _base(name)
    beside = f"{base}.ip" if base else ""
    if not base or beside == ip_field:
        return False
    pairs = [(sample.values(d, beside), sample.values(d, ip_field)) for d in sample.documents]
    others = [one[0] for one, own in pairs if one and not set(one) & set(own)]
    return sum(_public(others).values()) > FILLED * len(pairs)


def _public(addresses: list[str]) -> dict[str, int]:
    """Count the public addresses: ``{address: times}``."""
    packed, valid = parse(addresses)
    found: dict[str, int] = {}
    for address, public in zip(addresses, np.asarray(valid & ~is_private(packed)), strict=True):
        if public:
            found[address] = found.get(address, 0) + 1
    return found


def _base(name: str) -> str:
    """Return ``source`` of ``source.as.number`` and ``source.geo.country_iso_code``; empty text for other names."""
    for middle in (".as.", ".geo."):
        before, found, _ = name.rpartition(middle)
        if found:
            return before
    return ""


def _common(one: str, other: str) -> int:
    """Count the leading parts that two dotted names share."""
    number = 0
    for left, right in zip(one.split("."), other.split("."), strict=False):
        if left != right:
            break
        number += 1
    return number
