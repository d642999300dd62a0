"""The field ``verdict`` of results: the verdict on a record, and what follows for influencers and their bucket.

An influencer or a bucket is compromised where one of its records is. An influencer is closed where all of its records
are, and each of its members that is new to it has one; or where the verdict was given on the influencer itself, which
alone can answer an influencer without records. A
bucket is closed where all of its records and its influencers with records are, and none of its records was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ipi_es.config.given_verdict import CLOSING, COMPROMISED, DISMISSED, SAFE, VerdictWord
from ipi_es.results.words import VERDICT, raises_alarm
from ipi_es.times import from_ms

NONE_GIVEN: Mapping[str, VerdictWord] = MappingProxyType({})


def verdicts_of(
    results: Iterable[tuple[str, Mapping[str, Any]]],
    of_record: Callable[[str, str, int], VerdictWord | None],
    given: Mapping[str, VerdictWord] = NONE_GIVEN,
) -> dict[str, VerdictWord | None]:
    """Return the verdict on each result of one bucket, by id.

    ``results`` are (id, source) of its records, influencers and the bucket. ``of_record`` returns the verdict for an
    entity, an IP and the bucket's start in epoch seconds; ``given`` is the strongest verdict that was given on a result
    itself, by its id.
    """
    found: dict[str, VerdictWord | None] = {}
    records: list[tuple[Mapping[str, Any], VerdictWord | None]] = []
    others = []
    for place, source in results:
        if source["result_type"] == "record":
            names = source["partition_field_value"], source["by_field_value"]
            found[place] = of_record(*names, from_ms(source["timestamp"]))
            records.append((source, found[place]))
        else:
            others.append((place, source))
    if not any(found.values()) and not any(place in given for place, _ in others):
        return dict.fromkeys([*found, *(place for place, _ in others)])
    whole = list(records)
    for place, source in sorted(others, key=lambda each: each[1]["result_type"] == "bucket"):  # the bucket last
        if source["result_type"] == "bucket":
            word = _combined(whole)
            found[place] = None if word in CLOSING and source.get("omitted_record_count") else word
            continue
        its = [each for each in records if _belongs(each[0], source)]
        word = _combined(its) if its else given.get(place)
        if word in CLOSING and given.get(place) not in CLOSING and not _covers(its, source):
            word = None
        found[place] = word
        if its:
            whole.append((source, word))
    return found


def with_verdict(source: Mapping[str, Any], word: VerdictWord | None) -> dict[str, Any]:
    """Return a result with this verdict, or without one."""
    changed = {name: value for name, value in source.items() if name != VERDICT}
    return changed if word is None else {**changed, VERDICT: word}


def _covers(records: Sequence[tuple[Mapping[str, Any], VerdictWord | None]], influencer: Mapping[str, Any]) -> bool:
    """Return whether the records are of as many members as are new to the influencer."""
    ips = {each["by_field_value"] for each, _ in records}
    entities = {each["partition_field_value"] for each, _ in records}
    for kind, names in (("ip", ips), ("entity", entities)):
        new = influencer.get(f"unlearned_{kind}_count", influencer.get(f"{kind}_count", 0))
        if new > len(names):
            return False
    return True


def _belongs(record: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Return whether a record belongs to an influencer."""
    field, value = whole["influencer_field_name"], whole["influencer_field_value"]
    fields = {
        record["partition_field_name"]: record["partition_field_value"],
        record["by_field_name"]: record["by_field_value"],
    }
    return bool(fields.get(field) == value)


def _combined(records: Sequence[tuple[Mapping[str, Any], VerdictWord | None]]) -> VerdictWord | None:
    """Combine the verdicts on records; those that raise an alarm decide whether it is closed, if there are any."""
    every = [word for _, word in records]
    if COMPROMISED in every:
        return COMPROMISED
    words = {word for source, word in records if raises_alarm(source)} or set(every)
    if not words or None in words:
        return None
    return DISMISSED if DISMISSED in words else SAFE
