"""Judge a job's events: are there enough, and do they have the fields and values that a job needs? Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.addresses import is_private, parse, picked
from ipi_es.config.job_config import Job
from ipi_es.errors import DataError, NoEvents, NotEnoughHistory
from ipi_es.ipinsights.network.table_size import entity_table
from ipi_es.ipinsights.training.time_split import MIN_DAYS, MIN_ROWS
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.contents.client_addresses import HiddenClient
from ipi_es.setup.facts.facts_events import TOP_ADDRESSES, EventFacts, Teaching
from ipi_es.setup.facts.field_roles import ENTITY, IP, TIME, entity_text, place_of
from ipi_es.times import SECONDS, format_span, iso

MISSING_WARNED = 0.1
"""Share of events without entity or IP above which a warning is given: in real logs a few always lack them."""

PRIVATE_WARNED = 0.5
"""Share of events from private addresses above which a proxy is likelier than an office's own network."""

ONE_ADDRESS_WARNED = 0.9
"""Share of the events from one address above which it is taken for a proxy."""

QUIET_BUCKETS, QUIET_SECONDS = 10, SECONDS["d"]
"""A shipper has probably stopped if events are missing for longer than both; most gaps at weekends are shorter."""

GOOD_DAYS = 20
"""Days of events that give the network, the combiner and the calibration more than one working week each."""


def judge_events(
    job: Job, facts: EventFacts, now: int, other_addresses: Sequence[str], hidden: HiddenClient | None = None
) -> list[Finding]:
    """Judge the events; ``now`` is epoch seconds.

    ``other_addresses`` are fields that may hold the client's address, ``hidden`` has one that does, by its contents.
    """
    if not facts.stored:
        return [problem("time range", no_documents(job))]
    if TIME.what in facts.unreadable and not facts.counts.events:
        return [problem("query", nothing_matches(job, facts.stored))]
    if not facts.last and TIME.what not in facts.unreadable:
        return [_stored_range(facts), problem("query", nothing_matches(job, facts.stored))]
    return [
        *_when(job, facts, now),
        *_fields(job, facts),
        *_numbers(job, facts, hidden),
        *_addresses(job, facts, other_addresses, hidden),
        *([_history(job, facts, facts.teaching)] if facts.teaching else []),
    ]


def _when(job: Job, facts: EventFacts, now: int) -> list[Finding]:
    events = facts.counts.events
    if TIME.what in facts.unreadable:
        return [ok("query", f"{events:,} documents match, of any time")]
    matching = ok("query", f"{events:,} events between {iso(facts.start)} and {iso(facts.end)} match")
    return [*_time_range(job, facts, now), matching]


def _fields(job: Job, facts: EventFacts) -> list[Finding]:
    counts, found = facts.counts, list[Finding]()
    if ENTITY.what not in facts.unreadable:
        found.append(_missing(ENTITY.what, entity_text(job), counts.missing_entity, counts.events))
    if IP.what not in facts.unreadable:
        found.append(_missing(IP.what, job.ip_field, counts.missing_ip, counts.events))
    return found


def no_documents(job: Job) -> NoEvents:
    """Make the error for empty indices."""
    return NoEvents(
        f"the indices {', '.join(job.datafeed_config.indices)} are empty",
        hint="check that events are shipped there, or name other indices in datafeed_config.indices",
    )


def nothing_matches(job: Job, stored: int) -> NoEvents:
    """Make the error for a query that no document matches; ``stored``: number of documents in the indices."""
    query = "the query"
    if "query" not in job.datafeed_config.model_fields_set:
        query = "the default query (event.category: authentication)"
    return NoEvents(
        f"none of the {stored:,} documents in {', '.join(job.datafeed_config.indices)} matches {query}",
        hint="set datafeed_config.query to what chooses the sign-ins; {match_all: {}} takes every document",
    )


def _stored_range(facts: EventFacts) -> Finding:
    if facts.stored_range is None:
        return warning(
            "time range", "the documents have no time", "check data_description.time_field against a document"
        )
    first, end = facts.stored_range
    return ok("time range", f"documents from {iso(first)} to {iso(end)}, whether they match the query or not")


def _time_range(job: Job, facts: EventFacts, now: int) -> list[Finding]:
    found = [ok("time range", f"events from {iso(facts.first)} to {iso(facts.last)}")]
    if facts.last > now:
        if facts.future:
            found.append(
                warning(
                    "clock",
                    f"{facts.future:,} events lie in the future, the last at {iso(facts.last - 1)}; "
                    f"it is {iso(now)} here",
                    "check the clocks and time zones of what ships the events, and this machine's clock: what lies "
                    "ahead is scored only when its time has come",
                )
            )
        return found
    quiet = now - facts.last
    if quiet > max(QUIET_SECONDS, QUIET_BUCKETS * job.bucket_span):
        found.append(
            warning(
                "clock",
                f"the last event is {quiet // SECONDS['d']} days old ({iso(facts.last - 1)})",
                "if events are still made, look at what ships them; a backfill of what is there works",
            )
        )
    return found


def _missing(what: str, name: str, missing: int, events: int) -> Finding:
    check = f"events with {what}"
    if events and missing >= events:
        return problem(
            check,
            DataError(
                f"none of the {events:,} events has {name}",
                hint=f"name the field that holds the {what}, or let the query choose other events",
            ),
        )
    if missing > events * MISSING_WARNED:
        return warning(
            check,
            f"{percent(missing, events)} of the events lack {name}; they can't be scored",
            "let the query choose only events that have it, or name a field that more of them have",
        )
    return ok(check, f"{percent(events - missing, events)} have {name}")


def _numbers(job: Job, facts: EventFacts, hidden: HiddenClient | None) -> list[Finding]:
    entities, ips = facts.counts.entities, facts.counts.ips
    found = [] if ENTITY.what in facts.unreadable else [_entities(job, entities)]
    found += [] if IP.what in facts.unreadable else [_ips(job, ips, hidden)]
    vectors = job.ip_insights.entity_rows
    too_few = None if vectors is None else entity_table(vectors, entities, about=True)
    if too_few is not None:
        found.append(warning("num_entity_vectors", *too_few))
    return found


def _entities(job: Job, entities: int) -> Finding:
    if entities != 1:
        return ok("entities", f"about {entities:,} different {entity_text(job)}")
    return problem(
        "entities",
        NotEnoughHistory(
            f"all events are of one {entity_text(job)}: there is no other entity to compare it with",
            hint=f"name a field that tells users apart (user.name) in {place_of(ENTITY, job)}",
        ),
    )


def _ips(job: Job, ips: int, hidden: HiddenClient | None) -> Finding:
    if ips != 1:
        return ok("addresses", f"about {ips:,} different {job.ip_field}")
    return problem(
        "addresses",
        NotEnoughHistory(
            f"all events come from one address in {job.ip_field}",
            hint="a proxy or load balancer may hide the clients: name a field with the original address in "
            "analysis_config.detectors[0].by_field_name"
            if hidden is None
            else _named_instead(hidden),
        ),
    )


def _addresses(job: Job, facts: EventFacts, others: Sequence[str], hidden: HiddenClient | None) -> list[Finding]:
    names = list(facts.addresses)
    looked_at = sum(facts.addresses.values())
    if not looked_at or facts.counts.ips == 1:
        return []
    pick = job.datafeed_config.ip_pick
    packed, valid = parse(names if pick is None else [picked(name, pick) for name in names])
    private_names = valid & is_private(packed)
    private = sum(facts.addresses[name] for name, one in zip(names, private_names, strict=True) if one)
    malformed = sum(facts.addresses[name] for name, one in zip(names, valid, strict=True) if not one)
    found: list[Finding] = []
    if malformed:
        example = next(name for name, one in zip(names, valid, strict=True) if not one)
        found.append(
            warning(
                "addresses",
                f"{percent(malformed, looked_at)} of the events have something else than an address in "
                f"{job.ip_field}, such as “{example[:50]}”; they are left out",
                "let an ingest pipeline take the address out, or let the query leave them out"
                if picked(example, "public") == example
                else "set datafeed_config.ip_pick: public to take the last public address of such a list",
            )
        )
    proxy_hint = _proxy_hint(others) if hidden is None else _named_instead(hidden)
    found += _private(job, private, looked_at, proxy_hint)
    top = max(names, key=facts.addresses.__getitem__)
    events = facts.counts.events - facts.counts.missing_ip
    if not private and facts.addresses[top] > ONE_ADDRESS_WARNED * events:
        found.append(
            warning(
                "addresses",
                f"{percent(facts.addresses[top], events)} of the events come from {top}",
                proxy_hint,
            )
        )
    return found


def _private(job: Job, private: int, looked_at: int, proxy_hint: str) -> list[Finding]:
    if private == looked_at:
        text = f"all addresses in {job.ip_field} are private (the {TOP_ADDRESSES:,} with the most events)"
        if job.datafeed_config.ignore_private:
            error = DataError(f"{text}, and ignore_private leaves them all out", hint=proxy_hint)
            return [problem("private addresses", error)]
        return [warning("private addresses", text, proxy_hint)]
    if private > looked_at * PRIVATE_WARNED:
        hint = proxy_hint
        if not job.datafeed_config.ignore_private:
            hint += "; datafeed_config.ignore_private: true leaves the private ones out"
        return [
            warning("private addresses", f"{percent(private, looked_at)} of the events have a private address", hint)
        ]
    return [ok("private addresses", f"{percent(private, looked_at)} of the events have one")]


def judge_hidden(hidden: HiddenClient) -> Finding:
    """Warn of an address field that hides the clients, where another field has their addresses."""
    return warning("addresses", hidden.text, _named_instead(hidden))


def _named_instead(hidden: HiddenClient) -> str:
    """Propose the field that has the clients' addresses, with the setting that its values need."""
    name, figures = hidden.better.name, f"{hidden.better.addresses:,} addresses in {hidden.better.filled:,} documents"
    hint = f"set analysis_config.detectors[0].by_field_name: {name}, which has {figures} of the sample"
    if hidden.better.lists:
        hint += ", and datafeed_config.ip_pick: public, which takes the last public address of its lists"
    elif hidden.better.several:
        hint += ", and datafeed_config.ignore_private: true, which leaves the proxies' addresses out"
    return hint


def _proxy_hint(others: Sequence[str]) -> str:
    hint = "a proxy or load balancer in front may hide the clients: "
    if others:
        return hint + f"look whether {' or '.join(others)} holds the original address, and name it in by_field_name"
    return hint + "let the log carry the original address (client.ip, X-Forwarded-For), and name it in by_field_name"


def _longer_window(facts: EventFacts) -> str:
    """Propose a window that has most of the events, where they are older than the job's; else nothing."""
    if facts.older < facts.counts.events:
        return ""
    days = -(-(facts.end - facts.first) // SECONDS["d"])
    return f"set training.window: {days}d, {facts.older:,} more events lie before it; or "


def _history(job: Job, facts: EventFacts, have: Teaching) -> Finding:
    check = "history"
    wanted = max(job.training.min_events, MIN_ROWS)
    if have.rows < wanted or have.days < MIN_DAYS:
        error = NotEnoughHistory(
            f"{have.rows:,} unique (bucket, entity, IP) that teach, on {have.days} days, within the last "
            f"{format_span(job.training.window)}; {wanted:,} on {MIN_DAYS} days are needed to train",
            hint=_longer_window(facts) + "wait for more events, let the query or learn_outcomes take more of them, or "
            f"lower training.min_events (not below {MIN_ROWS})",
        )
        return problem(check, error)
    days = -(-(facts.end - facts.start) // SECONDS["d"])
    text = f"{days} days to learn from, with at least {have.rows:,} unique (bucket, entity, IP)"
    if days < GOOD_DAYS:
        return warning(check, text, f"{GOOD_DAYS} days or more make probabilities that can be trusted: give it time")
    return ok(check, text)
