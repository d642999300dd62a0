"""The sentences of results read back, and every number and every “never” in them counted anew from the raw events."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.results.documents import ids

DAY = 86_400
HALF_LIFE = 60.0
"""Days, as docs/scores.md has it."""
MAX_ROW_WEIGHT = 8.0
"""What a day's events from one address weigh at most."""


@dataclass(frozen=True)
class Event:
    """A sign-in; times in epoch seconds. ``learned_on``: the day that learns it, where that isn't its own."""

    time: int
    entity: str
    ip: str
    outcome: str
    operator: int | None = None
    country: str | None = None
    learned_on: int | None = None


def network_of(ip: str) -> str:
    address = ip_address(ip)
    return str(ip_network(f"{ip}/{24 if address.version == 4 else 48}", strict=False))


def shared_bits(a: str, b: str) -> int:
    left, right = ip_address(a), ip_address(b)
    if left.version != right.version:
        return 0
    return int(left.max_prefixlen - (int(left) ^ int(right)).bit_length())


@dataclass
class Past:
    """All events of a job, and its records: what was seen, and what of it was learned."""

    job: Job
    events: Sequence[Event]
    records: Sequence[Mapping[str, Any]]
    learned: list[tuple[int, Event]] = field(default_factory=list)
    """(the day that learned it, event)."""

    def __post_init__(self) -> None:
        held = defaultdict(list)
        for each in self.records:
            if "held_until" in each:
                pair = each["partition_field_value"], each["by_field_value"]
                held[pair].append((each["timestamp"] // 1_000, each["held_until"] // 1_000))
        self.at: dict[int, list[Event]] = defaultdict(list)
        for event in self.events:
            begin = event.time - event.time % self.job.bucket_span
            self.at[begin].append(event)
            if event.outcome not in self.job.datafeed_config.learn_outcomes or self.allowed(event.entity, event.ip):
                continue
            if any(start <= begin < until for start, until in held[event.entity, event.ip]):
                continue
            day = event.time // DAY if event.learned_on is None else event.learned_on
            self.learned.append((day, event))
        self._by_entity: dict[str, list[tuple[int, Event]]] = defaultdict(list)
        self._by_network: dict[str, list[int]] = defaultdict(list)
        for day, event in self.learned:
            self._by_entity[event.entity].append((day, event))
            self._by_network[network_of(event.ip)].append(day)

    def allowed(self, entity: str, ip: str) -> str | None:
        for number, rule in enumerate(self.job.allow_list):
            wide = rule.cidr is None or ip_address(ip) in ip_network(str(rule.cidr))
            if wide and (rule.entity is None or re.fullmatch(rule.entity.replace("*", ".*"), entity)):
                return self.job.allow_list[number].name
        return None

    def of(self, entity: str, day: int) -> list[Event]:
        """What was learned of an entity before a day."""
        return [event for when, event in self._by_entity[entity] if when < day]

    def used(self, entity: str, ip: str, day: int) -> bool:
        return any(each.ip == ip for each in self.of(entity, day))

    def anybody(self, network: str, day: int) -> bool:
        return any(when < day for when in self._by_network[network])

    def seen(self, begin: int, entity: str | None = None, ip: str | None = None) -> list[Event]:
        """The events of the scored outcomes in the bucket at ``begin``."""
        outcomes = self.job.datafeed_config.score_outcomes
        return [
            each
            for each in self.at[begin]
            if each.outcome in outcomes and entity in (None, each.entity) and ip in (None, each.ip)
        ]

    def shares(self, entity: str, day: int) -> dict[str, float]:
        """Network → its share of the entity's weight."""
        counts: dict[tuple[int, str], int] = defaultdict(int)
        for when, each in self._by_entity[entity]:
            if when < day:
                counts[when, each.ip] += 1
        weights: dict[str, float] = defaultdict(float)
        for (when, ip), count in counts.items():
            weights[network_of(ip)] += min(math.log2(1 + count), MAX_ROW_WEIGHT) * 2.0 ** ((when - day) / HALF_LIFE)
        whole = sum(weights.values())
        return {network: weight / whole for network, weight in weights.items()}


def number(text: str) -> int:
    return int(text.replace(",", ""))


def rarity(text: str, probability: float) -> bool:
    """Whether “1 … in N” is the probability, to two digits."""
    if text.lower().startswith("less than 1"):
        return probability < 1e-12
    said = number(text.rpartition(" in ")[2])
    return abs(said * probability - 1.0) <= 0.051


SENTENCES = {
    "learned": r"In what was learned before (?P<day>\d{4}-\d\d-\d\d), (?P<claims>.+)",
    "sharing": r"(?P<count>[\d,]+) different (?P<field>\S+) values used the address in the same \w+",
    "rarity": r"(?P<rare>(?:1|[Ll]ess than 1) event in [\w,]+(?: trillion)?)"
    r"(?: of entities with a comparable history \(.+\))? is as unusual as this(?: \(estimated beyond what was seen\))?",
    "warm": r"(?P<rare>(?:1|[Ll]ess than 1) event in [\w,]+(?: trillion)?) of other entities is as unusual as this; "
    r"counted as (?P<counted>1 event in [\d,]+) while too little is known of .+ or of the job",
    "repeat": r"Repeat of the finding of (?P<time>\S+Z)(?P<near> in the same network)?",
    "held": r"Not learned until (?P<time>\S+Z)",
    "allowed": r"Allowed by (?P<rule>.+), so it raises no alarm",
    "others": r"Of them (?:(?P<repeats>[\d,]+) repeats? (?:an )?earlier findings?)?(?: and )?"
    r"(?:(?P<allowed>[\d,]+) (?:is|are) allowed)?",
    "places": r"(?:Operators? (?P<operators>AS[^;]+))?(?:; )?(?:[Cc]ountr(?:y|ies) (?P<countries>.+))?",
    "value": r"(?P<rare>(?:1|[Ll]ess than 1) \S+ value in [\w,]+(?: trillion)?) is as unusual as this",
}
"""Every sentence that may follow the first one."""


def parts_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The sentences after the first one: (which, its parts). AssertionError for one that isn't known."""
    found = []
    for each in text.removesuffix(".").split(". ")[1:]:
        matches = [(name, match) for name, regex in SENTENCES.items() if (match := re.fullmatch(regex, each))]
        assert matches, f"an unknown sentence: {each!r}"
        found.append((matches[0][0], matches[0][1].groupdict()))
    return found


def day_of(text: str) -> int:
    from datetime import UTC, datetime

    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // DAY


def seconds(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp())


def check_events(text: str, events: Iterable[Event]) -> None:
    """``3 events: 2 failure, 1 success`` against the events."""
    seen = list(events)
    whole, _, outcomes = text.partition(": ")
    assert number(whole.split()[0]) == len(seen), text
    for part in outcomes.split(", ") if outcomes else ():
        count, outcome = part.split(" ", 1)
        assert number(count) == sum(each.outcome == outcome for each in seen), text


def check_record(past: Past, record: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """AssertionError where the record's sentence says what the events don't; the kinds of claims that were checked."""
    entity, ip, begin = record["partition_field_value"], record["by_field_value"], record["timestamp"] // 1_000
    text = record["reason"]
    first = re.match(r"(?P<entity>\S+) used (?P<ip>\S+) \((?P<events>[^)]+)\)\. ", text)
    assert first, text
    assert (first["entity"], first["ip"]) == (entity, ip)
    check_events(first["events"], past.seen(begin, entity, ip))
    checked, known = set(), bool(record.get("repeat_of") or record.get("suppressed_by"))
    for kind, parts in parts_of(text):
        checked.add(kind)
        if kind == "learned":
            assert day_of(parts["day"]) == begin // DAY
            checked |= {check_claim(past, record, claim, known=known) for claim in parts["claims"].split("; ")}
        elif kind == "sharing":
            assert number(parts["count"]) == len({each.entity for each in past.seen(begin, ip=ip)})
        elif kind == "rarity":
            assert rarity(parts["rare"], record["probability"]), text
        elif kind == "warm":
            assert rarity(parts["counted"], record["probability"]), text
            assert rarity(parts["rare"], record["anomaly_score_explanation"]["calibrated_probability"]), text
        elif kind == "repeat":
            before = by_id[record["repeat_of"]]
            assert before["timestamp"] // 1_000 == seconds(parts["time"]) < begin
            assert before["partition_field_value"] == entity
            assert past.seen(seconds(parts["time"]), entity, before["by_field_value"])
            same = before["by_field_value"] == ip
            assert same != bool(parts["near"])
            assert network_of(before["by_field_value"]) == network_of(ip)
        elif kind == "held":
            assert seconds(parts["time"]) * 1_000 == record["held_until"]
        elif kind == "allowed":
            assert parts["rule"] == past.allowed(entity, ip)
        else:
            raise AssertionError(f"{kind} of a record: {text}")
    assert ("repeat" in checked) == ("repeat_of" in record)
    assert ("held" in checked) == ("held_until" in record)
    assert ("allowed" in checked) == ("suppressed_by" in record)
    return checked


def check_claim(past: Past, record: Mapping[str, Any], claim: str, *, known: bool) -> str:
    """One claim about what was learned before the record's day; its kind."""
    entity, ip, day = record["partition_field_value"], record["by_field_value"], record["timestamp"] // 1_000 // DAY
    learned = past.of(entity, day)
    name = re.escape(entity)
    if claim == f"{entity} never used this address":
        assert not known
        assert not past.used(entity, ip, day)
        return "never"
    if found := re.fullmatch(r"nobody used (\S+)", claim):
        assert not known
        assert found[1] == network_of(ip)
        assert not past.anybody(found[1], day)
        return "nobody"
    if found := re.fullmatch(r"a usual address shares its first (\d+) bits", claim):
        assert max(shared_bits(ip, each.ip) for each in learned) >= int(found[1]) >= 8
        return "near"
    if claim == "no usual address is near it":
        assert len(past.shares(entity, day)) > 8 or max((shared_bits(ip, each.ip) for each in learned), default=0) < 8
        return "far"
    if found := re.fullmatch(rf"(.+) (?:is|are) new for {name}", claim):
        assert not known
        for part in re.split(r" and (?=country )", found[1]):
            if operator := re.match(r"operator AS(\d+)", part):
                assert int(operator[1]) == record["source.as.number"]
                assert int(operator[1]) not in {each.operator for each in learned}
            else:
                assert part.removeprefix("country ") not in {each.country for each in learned}
        return "new"
    if found := re.fullmatch(rf"{name} usually comes from (.+)", claim):
        shares = past.shares(entity, day)
        for network, percent in re.findall(r"(\S+) \((\d+)%\)", found[1]):
            assert int(percent) >= 5
            assert abs(int(percent) - 100 * shares[network]) <= 0.51, (claim, shares)
        return "usually"
    if re.fullmatch(rf"{name} comes from many networks, each less than 5%", claim):
        assert max(past.shares(entity, day).values()) < 0.05
        return "many"
    if found := re.fullmatch(rf"{name} has only ([\d,]+) events?", claim):
        assert number(found[1]) == len(learned)
        return "only"
    assert claim == f"there is nothing of {entity}", claim
    assert not learned
    return "nothing"


def check_influencer(past: Past, source: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> set[str]:
    """As :func:`check_record`, of an influencer; ``records``: those of its bucket."""
    value, begin, text = source["influencer_field_value"], source["timestamp"] // 1_000, source["reason"]
    day, of_entity = begin // DAY, source["influencer_field_name"] == past.job.entity_field
    verb = "used" if of_entity else "was used by"
    first = re.match(rf"(\S+) {verb} ([\d,]+) (\S+) values? \(([^)]+)\): (.+?)(?: and ([\d,]+) more)?(?=\. |\.$)", text)
    assert first, text
    events = past.seen(begin, entity=value) if of_entity else past.seen(begin, ip=value)
    others = {each.ip if of_entity else each.entity for each in events}
    assert (first[1], number(first[2])) == (value, len(others)), text
    check_events(first[4], events)
    named = first[5].split(", ")
    assert set(named) <= others
    assert len(named) + number(first[6] or "0") == len(others)
    pairs = {other: (value, other) if of_entity else (other, value) for other in others}
    repeats = {(each["partition_field_value"], each["by_field_value"]) for each in records if each.get("repeat_of")}
    allowed = {other for other, pair in pairs.items() if past.allowed(*pair)}
    repeated = {other for other, pair in pairs.items() if pair in repeats} - allowed
    never = {other for other, pair in pairs.items() if not past.used(*pair, day)} - allowed - repeated
    said, checked = {"repeats": 0, "allowed": 0, "never": 0}, set()
    for kind, parts in parts_of(text):
        checked.add(kind)
        if kind == "learned":
            assert day_of(parts["day"]) == day
            if re.fullmatch(r"none of them used it|.+ never used any of them", parts["claims"]):
                said["never"] = len(others)
            else:
                found = re.fullmatch(r"([\d,]+) of them never used it|\S+ never used ([\d,]+) of them", parts["claims"])
                assert found, text
                said["never"] = number(found[1] or found[2])
        elif kind == "others":
            said |= {name: number(parts[name] or "0") for name in ("repeats", "allowed")}
        elif kind == "places":
            check_places(parts, events)
        elif kind == "value":
            assert rarity(parts["rare"], source["probability"]), text
        else:
            assert kind == "repeat", text
    assert said == {"repeats": len(repeated), "allowed": len(allowed), "never": len(never)}, text
    return checked


def check_places(parts: Mapping[str, str | None], events: Sequence[Event]) -> None:
    """Operators and countries that an influencer names are those of its events."""
    for name in (parts["operators"] or "").split(", ") if parts["operators"] else ():
        assert int(name.removeprefix("AS")) in {each.operator for each in events}
    for name in (parts["countries"] or "").split(", ") if parts["countries"] else ():
        assert name in {each.country for each in events}


def check_bucket(past: Past, source: Mapping[str, Any]) -> None:
    """The numbers of a bucket's sentence are not larger than what its events allow, and its names are in them."""
    if "reason" not in source:
        assert source["unusual_pair_count"] == 0
        return
    text, begin = source["reason"], source["timestamp"] // 1_000
    seen = {(each.entity, each.ip) for each in past.seen(begin)}
    found = re.match(r"([\d,]+) unusual pairs? of ([\d,]+) \S+ values? and ([\d,]+) \S+ values?(?=[:.])", text)
    assert found, text
    pairs, entities, ips = (number(each) for each in found.groups())
    assert pairs <= len(seen)
    assert entities <= len({entity for entity, _ in seen})
    assert ips <= len({ip for _, ip in seen})
    assert set(source["top_entities"]) <= {entity for entity, _ in seen}
    for _, parts in parts_of(text):
        never = parts["claims"]
        said = pairs if never == "none of these pairs occurred" else number(never.split()[0])
        assert said <= sum(not past.used(*pair, begin // DAY) for pair in seen)


def check_all(past: Past, results: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Check every sentence of ``results`` (id → source); how often each kind of claim was checked."""
    kinds: dict[str, int] = defaultdict(int)
    records = defaultdict(list)
    for each in past.records:
        records[each["timestamp"]].append(each)
    for source in results.values():
        if source["result_type"] == "record":
            for kind in check_record(past, source, results):
                kinds[kind] += 1
        elif source["result_type"] == "influencer":
            for kind in check_influencer(past, source, records[source["timestamp"]]):
                kinds[f"influencer {kind}"] += 1
        elif source["result_type"] == "bucket":
            check_bucket(past, source)
            kinds["bucket"] += "reason" in source
    assert all(ids.start_of(each) is not None for each in results)
    return kinds
