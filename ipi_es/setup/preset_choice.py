"""Choose the variant of a preset that fits the cluster's indices, by their fields and by the events that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipi_es.cluster.port import Cluster
from ipi_es.config.presets.preset import Preset, Variant
from ipi_es.errors import NotFound, UsageError
from ipi_es.setup.facts.field_roles import FieldTypes

TEXT = "text"
"""The type of a field that is searched by its words, and so can't be the entity or the address."""


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """The variant that fits, and how many events its query matches in ``indices``."""

    variant: Variant
    indices: tuple[str, ...]
    events: int


def choose(cluster: Cluster, source: str, preset: Preset, indices: Sequence[str] = ()) -> PresetChoice:
    """Return the first variant whose fields the indices map; ``indices`` replaces the variants' own.

    Raises UsageError where no index matches, or where no variant fits; the message has what each one lacks.
    """
    lacks = list[str]()
    found_index = False
    for variant in preset.variants:
        patterns = tuple(indices) or variant.indices
        missing = _missing(cluster, variant, patterns)
        if missing is None:
            continue
        found_index = True
        if not missing:
            events = cluster.count(patterns, variant.made("probe").datafeed_config.query)
            return PresetChoice(variant, patterns, events)
        lacks.append(f"{variant.name} needs {', '.join(missing)}")
    if not found_index:
        looked = ", ".join(dict.fromkeys(indices or [each for variant in preset.variants for each in variant.indices]))
        raise UsageError(f"no index matches {looked}", hint="name the index with --index PATTERN, or add --unchecked")
    raise UsageError(
        f"no variant of {source} fits these indices: {'; '.join(lacks)}",
        hint="--variant NAME --unchecked writes that variant's job all the same, for you to change its fields",
    )


def _missing(cluster: Cluster, variant: Variant, patterns: Sequence[str]) -> list[str] | None:
    """Return the variant's fields that the indices lack, or have as text; None: there is no such index."""
    try:
        return lacking(variant, cluster.field_types(patterns, variant.fields))
    except NotFound:
        return None


def lacking(variant: Variant, types: FieldTypes) -> list[str]:
    """Return the variant's fields that are not in ``types``, or that are text where a keyword is needed."""
    missing = [field for field in variant.fields if field not in types]
    texts = [field for field in variant.fields if TEXT in types.get(field, {})]
    if texts:
        job = variant.made("probe")
        used = {*job.entity_source_fields, job.ip_field}
        texts = [f"{field} as keyword" for field in texts if field in used]
    return missing + texts
