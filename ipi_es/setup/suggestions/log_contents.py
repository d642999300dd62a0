"""Suggest the job of a log that follows no known form, by what its fields hold."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.datafeed.spec import MATCH_ALL, FeedSpec
from ipi_es.setup.checks.check_finding import percent
from ipi_es.setup.checks.proposals import ContextPart, elsewhere
from ipi_es.setup.contents.arrivals import arrivals
from ipi_es.setup.facts.document_sample import Sample, Scope
from ipi_es.setup.facts.facts_entities import entity_names
from ipi_es.setup.facts.facts_events import event_facts
from ipi_es.setup.facts.field_roles import ENTITY, IP, TIME, FieldTypes
from ipi_es.setup.suggestions.account_choice import choose_account, handle_names
from ipi_es.setup.suggestions.action_choice import choose_actions, choose_outcome
from ipi_es.setup.suggestions.address_choice import choose_address, read_addresses
from ipi_es.setup.suggestions.draft import MOST_WINDOW, Draft
from ipi_es.setup.suggestions.event_streams import EventStream
from ipi_es.setup.suggestions.log_sample import LogSample, log_sample
from ipi_es.setup.suggestions.result_index import ResultFields
from ipi_es.setup.suggestions.suggestion import JobNames, Suggestion, Unusable
from ipi_es.times import SECONDS, format_span

SIGN_INS = {"term": {"event.category": "authentication"}}
"""ECS's mark of a sign-in; where no document has it, all documents count as sign-ins."""

PARTS: tuple[ContextPart, ...] = ("operator", "country")


def from_contents(
    cluster: Cluster, stream: EventStream, types: FieldTypes, names: JobNames, results: ResultFields, now: int
) -> Suggestion | Unusable:
    """Choose the fields of a place's sign-ins by samples of its documents; ``types`` are those of all its fields."""
    marked = "event.category" in types and cluster.count([stream.pattern], SIGN_INS) > 0
    log = log_sample(cluster, stream.pattern, SIGN_INS if marked else MATCH_ALL, types, now)
    if not log.sample.documents:
        return Unusable(stream.pattern, "it has no documents")
    ip, address_notes = choose_address(log)
    entity, account_notes = choose_account(cluster, log, ip or IP.usual[0])
    chosen = {TIME.what: log.time_field, ENTITY.what: entity, IP.what: ip}
    without = [what for what, name in chosen.items() if name is None]
    if without:
        return Unusable(stream.pattern, f"no field holds the {' and the '.join(without)} of sign-ins")
    draft = _draft(log, str(entity), str(ip), names)
    draft.notes += [*account_notes, *address_notes]
    _complete(cluster, draft, log)
    if draft.feed["query"] == MATCH_ALL:
        draft.notes.append("every document counts as a sign-in: narrow the query if there are others")
    if reason := results.conflict(cluster, draft.job):
        draft.data["results_index_name"] = draft.job.job_id
        draft.notes.append(f"results in an index of their own (results_index_name): {reason}")
    facts, _ = event_facts(cluster, draft.job, now, count_teaching=False)
    text = draft.text(f"Suggested by `ipi-es job suggest` from the contents of {stream.pattern}.")
    return Suggestion(stream.pattern, "recognized by its contents", draft.job, text, facts, tuple(draft.notes))


def _draft(log: LogSample, entity: str, ip: str, names: JobNames) -> Draft:
    context = {f"{part}_field": name for part in PARTS if (name := _context(part, ip, log.types, log.sample))}
    return Draft(
        {
            "job_id": names.take(log.pattern),
            "analysis_config": {"detectors": [{"by_field_name": ip, "partition_field_name": entity}]},
            "data_description": {"time_field": log.time_field},
            "datafeed_config": {"indices": [log.pattern], "query": dict(log.query), "outcome_field": None, **context},
        }
    )


def _complete(cluster: Cluster, draft: Draft, log: LogSample) -> None:
    """Add all that the contents say of outcomes, actions, names, addresses, delays and the window."""

    def scope() -> Scope:
        return log.scope(FeedSpec.from_job(draft.job))

    choose_outcome(cluster, draft, log, scope())
    choose_actions(cluster, draft, log, scope())
    read_addresses(draft, log)
    handle_names(draft, entity_names(cluster, draft.job, scope()))
    _wait(draft, log)
    _look_back(cluster, draft, log, scope())


def _context(part: ContextPart, ip_field: str, types: FieldTypes, sample: Sample) -> str | None:
    """Return the field with the operator or the country, where it isn't beside the address."""
    for name in elsewhere(part, ip_field, sample):
        readable = next((each for each in (name, f"{name}.keyword") if set(types.get(each, {})) - {"text"}), None)
        if readable is not None:
            return readable
    return None


def _wait(draft: Draft, log: LogSample) -> None:
    """Set how long a bucket waits for its events, and how long it is scored again for late ones."""
    found = arrivals(log.sample, str(log.time_field))
    if found is None:
        return
    if found.were_loaded_later:
        draft.notes.append(f"{found.text}: they were loaded later, so that this says nothing about new events")
        return
    job = draft.job
    delay, late = found.query_delay, found.late_window(job.late_window_seconds())
    wanted = []
    if delay is not None:
        draft.feed["query_delay"] = format_span(delay)
        wanted.append(f"query_delay {format_span(delay)}")
    if late is not None:
        draft.data["late_window"] = format_span(late)
        wanted.append(f"late_window {format_span(late)}")
    if wanted:
        text = f"{found.text}: {', '.join(wanted)}"
        if missed := found.later_than((delay or 0) + (late or job.late_window_seconds())):
            text += f"; {percent(missed, 1.0)} come later still, and are only learned"
        draft.notes.append(text)


def _look_back(cluster: Cluster, draft: Draft, log: LogSample, scope: Scope) -> None:
    """Set the days to learn from, where most events are older than the default window."""
    if log.first >= log.start:
        return
    older = Scope(scope.spec, log.first, log.start).count(cluster)
    if older <= scope.count(cluster):
        return
    window = min(-(-(log.end - log.first) // SECONDS["d"]), MOST_WINDOW)
    default = format_span(draft.job.training.window)
    draft.data["training"] = {"window": f"{window}d"}
    draft.notes.append(f"most events are older than {default}: training.window is {window}d")
