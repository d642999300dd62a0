"""Sources of the operators and countries of a job's addresses: its own fields, its files, and other fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ipi_es.addresses import Addresses, is_private, parse
from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import context_from, networks_of
from ipi_es.datafeed.spec import KEYWORDS, OPERATOR_TYPES
from ipi_es.networks.network_file import FileSummary
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_types import NetworkType, type_bits, type_names
from ipi_es.setup.checks.check_fields import FieldFacts, types_of
from ipi_es.setup.checks.proposals import ContextPart, elsewhere
from ipi_es.setup.facts.document_sample import Sample, Scope
from ipi_es.setup.facts.facts_events import TOP_ADDRESSES, terms_of

PARTS: tuple[ContextPart, ...] = ("operator", "country")

TOP_VALUES = 20
"""Values of an operator or country field that are examined: enough to see that none of them can be read."""

CANDIDATES = 4
"""Other fields whose types are requested."""


@dataclass(frozen=True, slots=True)
class PartFacts:
    """Facts about the operator or the country, for the events of the most frequent public addresses."""

    used: str | None = None
    """The field that is read; None: the indices have no such field of a readable type."""
    filled: int = 0
    """Events that have the field, out of :attr:`ContextFacts.public`."""
    values: Mapping[str, int] = field(default_factory=dict)
    """The field's most frequent values, with their numbers of events."""
    from_files: int = 0
    """Events whose address is in the job's network files."""
    other: str | None = None
    """Another field that holds the operator or country on most documents."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts about one of the job's network files. Of the most frequent public addresses, ``known`` are in it."""

    summary: FileSummary
    addresses: int
    """The most frequent public addresses."""
    known: int
    types: Mapping[NetworkType, int]
    """For each type the number of these addresses that have it in this file."""


@dataclass(frozen=True, slots=True)
class ContextFacts:
    """Events of the most frequent addresses. ``public``: those from public addresses; all shares refer to them."""

    public: int
    private: int
    """Events from all other addresses among the most frequent ones."""
    parts: Mapping[ContextPart, PartFacts]
    files: tuple[FileFacts, ...] = ()


def context_facts(cluster: Cluster, job: Job, fields: FieldFacts, scope: Scope, sample: Sample) -> ContextFacts:
    """Look up operator and country of the most frequent addresses in their events, the network files and the sample."""
    types = {name: types_of(job, name, fields.types) for name in scope.spec.context_fields}
    usable = scope.spec.with_fields_of(types)
    used: dict[ContextPart, str | None] = {"operator": usable.operator_field, "country": usable.country_field}
    there = {part: name for part, name in used.items() if name is not None}
    known: dict[str, Json] = {part: {"filter": {"exists": {"field": name}}} for part, name in there.items()}
    addresses: Json = {"terms": {"field": scope.spec.ip_field, "size": TOP_ADDRESSES}}
    asked: dict[str, Json] = {"addresses": addresses | ({"aggs": known} if known else {})}
    asked |= {part: {"terms": {"field": name, "size": TOP_VALUES}} for part, name in there.items()}
    found = scope.aggregate(cluster, asked)
    rows = found.get("addresses", {}).get("buckets", ())
    packed, valid = parse([str(row["key"]) for row in rows])
    public = valid & ~is_private(packed)
    own = [row for row, one in zip(rows, public, strict=True) if one]
    networks = networks_of(job)
    context = context_from(networks, packed[public]) if networks is not None and own else None
    files = () if networks is None else _of_files(networks, packed[public])
    numbers: dict[ContextPart, list[int]] = {}
    if context is not None:
        numbers = {"operator": context.operator.tolist(), "country": context.country.tolist()}
    parts: dict[ContextPart, PartFacts] = {}
    for part in PARTS:
        parts[part] = PartFacts(
            used=used[part],
            filled=sum(int(row[part]["doc_count"]) for row in own) if part in there else 0,
            values=terms_of(found, part),
            from_files=sum(int(row["doc_count"]) for row, one in zip(own, numbers.get(part, []), strict=False) if one),
            other=_other(cluster, job, part, used[part], sample),
        )
    number = sum(int(row["doc_count"]) for row in own)
    return ContextFacts(number, sum(int(row["doc_count"]) for row in rows) - number, parts, files)


def _of_files(networks: NetworkTable, addresses: Addresses) -> tuple[FileFacts, ...]:
    return tuple(
        FileFacts(
            summary,
            addresses=len(addresses),
            known=int(known.sum()),
            types={
                name: int((types & type_bits(name) > 0).sum()) for name in type_names(int(np.bitwise_or.reduce(types)))
            },
        )
        for summary, known, types in networks.of_each_file(addresses)
    )


def _other(cluster: Cluster, job: Job, part: ContextPart, used: str | None, sample: Sample) -> str | None:
    """Find another field of the sampled documents that holds the part, in a readable type; None: there is none."""
    names = [name for name in elsewhere(part, job.ip_field, sample) if name != used][:CANDIDATES]
    if not names:
        return None
    asked = [each for name in names for each in (name, f"{name}.keyword")]
    types = cluster.field_types(list(job.datafeed_config.indices), asked)
    for name in asked:
        kinds = frozenset(types.get(name, ()))
        if name != used and kinds and kinds <= (OPERATOR_TYPES if part == "operator" else KEYWORDS):
            return name
    return None
