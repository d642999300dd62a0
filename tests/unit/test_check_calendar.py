"""What `check` says of scheduled events."""

from __future__ import annotations

import worker_company as company
import worker_parts as parts
from event_parts import planned
from rule_parts import JOB, score, trained_copy

from ipi_es.results.reading.rule_uses import HiddenResults, event_uses
from ipi_es.results.words import ALIAS
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.check_rules import judge_calendar
from ipi_es.setup.facts.facts_rules import CalendarFacts, calendar_facts
from ipi_es.state.calendar_store import CalendarStore, StoredEvent, StoredEvents
from ipi_es.worker.job_resources import JobResources

DAY, HOUR = company.DAY, company.HOUR


def judged(*events: StoredEvent, now: int, uses: dict[str, HiddenResults] | None = None) -> list[tuple[str, str]]:
    found: list[Finding] = judge_calendar(JOB, CalendarFacts(StoredEvents(events), uses or {}), now)
    return [(each.level, each.message) for each in found]


def test_an_event_in_force_is_named_and_others_are_not() -> None:
    event = planned(start=10_000, end=20_000)
    for now in (9_999, 20_000):
        assert judged(event, now=now) == []
    said = "the scheduled event “move” is in force until 1970-01-01T05:33:20Z: nothing is alerted or learned"
    assert judged(event, now=10_000) == [("ok", said)]
    assert judged(planned(ended=11_000), now=12_000) == []


def test_a_long_time_without_alerts_is_a_warning_also_where_several_events_make_it() -> None:
    week = 7 * DAY
    assert judged(planned(start=DAY, end=DAY + week), now=0) == []
    (long,) = judged(planned(start=DAY, end=2 * DAY + week), now=0)
    assert long == ("warning", "nothing is alerted or learned for 8 days, until 1970-01-10T00:00:00Z: “move”")
    parts_ = (planned("a", start=0, end=4 * DAY), planned("b", start=4 * DAY, end=8 * DAY))
    assert any(level == "warning" and "8 days" in text and "“a”, “b”" in text for level, text in judged(*parts_, now=1))
    assert judged(*parts_, now=8 * DAY) == []
    apart = (planned("a", start=0, end=4 * DAY), planned("b", start=4 * DAY + 1, end=8 * DAY))
    assert not any(level == "warning" for level, _ in judged(*apart, now=1))
    spans = {"a": (0, 5), "b": (1, 2), "c": (5, 9)}
    inside = [planned(name, start=first * DAY, end=last * DAY) for name, (first, last) in spans.items()]
    assert any("9 days" in text for _, text in judged(*inside, now=1))
    cancelled = (planned("a", start=0, end=5 * DAY), planned("b", start=5 * DAY, end=9 * DAY, ended=DAY))
    assert not any(level == "warning" for level, _ in judged(*cancelled, now=1))


def test_what_an_event_hid_is_said_for_a_week_after_it() -> None:
    event, now = planned(start=10_000, end=20_000), 20_000 + DAY
    uses = {"move": HiddenResults(3, 15_000, 87.04)}
    said = "the scheduled event “move” was over 1970-01-01T05:33:20Z; it hid 3 records, and scores up to 87"
    assert judged(event, now=now, uses=uses) == [("warning", said)]
    assert judged(event, now=now, uses={"move": HiddenResults(3, 15_000, 74.9)})[0][0] == "ok"
    assert judged(event, now=20_000 + 7 * DAY, uses=uses) == []
    assert judged(event, now=15_000, uses=uses)[0][1].endswith("nothing is alerted or learned")


def test_what_was_hidden_is_counted_in_the_results_of_the_job() -> None:
    cluster = trained_copy()
    begin = company.SCORED_FROM + DAY
    store = CalendarStore(cluster)
    store.add_event(planned(start=begin, end=begin + DAY))
    store.add_event(planned("other", start=begin, end=begin + DAY, jobs=("other",)))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    cluster.refresh(ALIAS)
    facts = calendar_facts(cluster, JOB)
    assert [each.name for each in facts.stored.events] == ["move"]
    assert facts.uses == event_uses(cluster)
    hidden = facts.uses["move"]
    records = [each for each in parts.of_kind(parts.results(cluster, JOB), "record") if "scheduled_events" in each]
    assert hidden.records == len(records) > 0
    assert hidden.last == begin + DAY - JOB.bucket_span
    assert hidden.worst > 75  # the influencer of the spraying address, which no record reaches
    assert hidden.worst > max(each["record_score"] for each in records)
