"""Advice on thresholds counts what really alerts, and says of which time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from advice_parts import DAY, DAYS, END, HOUR, STAMP, START, Results, before_verdicts, write
from alert_results import INTERIM, record, rescored
from hypothesis import given, settings
from hypothesis import strategies as st
from notifying_parts import CONTEXT, job, ready_cluster

from ipi_es.alerts.advice.advice import Advice, AdviceRequest, LevelAdvice, advise
from ipi_es.alerts.advice.alarm_counts import VERDICTS, AlarmCount, AlarmCounter, Finding, propose
from ipi_es.alerts.advice.counted_time import LeftOut
from ipi_es.alerts.advice.share_interval import share_interval
from ipi_es.alerts.found_alerts import find
from ipi_es.alerts.incident_messages import incidents
from ipi_es.alerts.kinds import ScoredKind
from ipi_es.cluster.port import Document
from ipi_es.config.job_config import Job
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import day_of
from ipi_es.worker.job_annotations import of_warm_up, warm_ups

KINDS: tuple[ScoredKind, ...] = get_args(ScoredKind)
ASKED = AdviceRequest(START, END)
ENTITIES, IPS = ("ann", "bob", "eve", "198.51.100.1"), ("198.51.100.1", "203.0.113.9", "192.0.2.5")
SCORES = st.floats(0, 100) | st.integers(0, 100).map(float)
MARKS = st.sampled_from([{}, {}, {}, {"suppressed_by": "vpn"}, {"repeat_of": "x"}])
HOURS = st.integers(0, 2).map(lambda hour: START + hour * HOUR)
AFTERWARDS = range(START + 3 * HOUR, END, HOUR)


def given_job(**alerts: Any) -> Job:
    return job(**{"on": list(KINDS), "max_age": "5000w", "notify": [], **alerts})


def advice_on(made: list[ResultDocument], asked: AdviceRequest = ASKED, **alerts: Any) -> Advice:
    cluster = ready_cluster()
    write(cluster, CONTEXT, made)
    return advise(cluster, given_job(**alerts), asked)


def level_of(found: Advice, *level: ScoredKind) -> LevelAdvice:
    return next(each for each in found.levels if each.level == level)


def count_of(found: Advice, threshold: float, *level: ScoredKind) -> AlarmCount:
    return next(each for each in level_of(found, *level).counts if each.threshold == threshold)


@st.composite
def results(draw: st.DrawFn) -> Results:
    made = Results(CONTEXT)
    for entity, ip in draw(st.sets(st.tuples(st.sampled_from(ENTITIES), st.sampled_from(IPS)))):
        made.record(draw(HOURS), entity, ip, draw(SCORES), **draw(MARKS))
        if draw(st.booleans()):
            made.judge(draw(st.sampled_from([*VERDICTS, "other"])))
    for entity in draw(st.sets(st.sampled_from(ENTITIES))):
        made.entity(draw(HOURS), entity, tuple(draw(st.sets(st.sampled_from(IPS), max_size=2))), draw(SCORES))
    for ip in draw(st.sets(st.sampled_from(IPS))):
        made.address(draw(HOURS), ip, tuple(draw(st.sets(st.sampled_from(ENTITIES), max_size=2))), draw(SCORES))
    for start in draw(st.sets(HOURS)):
        made.bucket(start, draw(SCORES))
    return made


@settings(max_examples=40, deadline=None)
@given(results(), st.sampled_from([1, 25, 50, 75, 90]), st.sets(st.sampled_from(KINDS), min_size=1))
def test_alarms_are_the_messages_that_the_worker_would_send(made: Results, threshold: int, on: set[ScoredKind]) -> None:
    cluster, before = ready_cluster(), ready_cluster()
    documents = made.documents(without=AFTERWARDS)
    write(cluster, CONTEXT, documents)
    write(before, CONTEXT, before_verdicts(documents))
    configured = given_job(on=sorted(on), threshold=threshold)
    alerts = find(before, configured, 0, END)
    own = tuple(kind for kind in ("buckets", "influencers", "records") if kind in on)
    merged, single = (advise(cluster, configured, replace(ASKED, merged=each)) for each in (True, False))
    assert count_of(merged, threshold, *own).total.alarms == len(incidents(each.message for each in alerts))
    assert count_of(single, threshold, *own).total.alarms == len(alerts)


@settings(max_examples=25, deadline=None)
@given(results(), st.floats(0.05, 2))
def test_the_proposed_threshold_keeps_the_limit_and_one_less_does_not(made: Results, at_most: float) -> None:
    found = advice_on(made.documents(), replace(ASKED, at_most=at_most))
    for level in found.levels:
        alarms = {each.threshold: each.total.alarms for each in level.counts}
        if found.asked.needed_days > DAYS:
            assert level.proposed is None
        elif level.proposed is None:
            assert alarms[100] > at_most * DAYS
        else:
            lowest = level.proposed.threshold
            assert all(alarms[each] <= at_most * DAYS for each in range(int(lowest), 101))
            assert lowest == 1 or alarms[lowest - 1] > at_most * DAYS


@settings(max_examples=30, deadline=None)
@given(results(), HOURS, st.sampled_from(["suppressed_by", "repeat_of"]), SCORES)
def test_a_repeat_or_an_allowed_record_changes_nothing(made: Results, start: int, mark: str, score: float) -> None:
    before = advice_on(made.documents(without=AFTERWARDS))
    made.record(start, "new", "192.0.2.99", score, **{mark: "x"})
    made.entity(start, "new", ("192.0.2.99",), score, **{mark: "x"})
    assert advice_on(made.documents(without=AFTERWARDS)) == before


NAMES = st.frozensets(st.sampled_from([(each,) for each in "abcdef"]), min_size=1, max_size=3)
FINDINGS = st.lists(st.builds(Finding, SCORES, NAMES, st.sampled_from([None, *VERDICTS])), max_size=12)


@given(FINDINGS)
def test_single_alarms_never_rise_with_the_threshold(findings: list[Finding]) -> None:
    counter = AlarmCounter(range(101))
    counter.add_bucket(7, [replace(each, names=frozenset([(str(n),)])) for n, each in enumerate(findings)])
    alarms = [each.total.alarms for each in counter.counts()]
    assert alarms == [sum(each.score >= threshold for each in findings) for threshold in range(101)]
    assert alarms == sorted(alarms, reverse=True)


@given(FINDINGS, st.randoms())
def test_order_doesnt_matter_and_right_alarms_are_part_of_the_judged_ones(findings: list[Finding], chance: Any) -> None:
    counters = [AlarmCounter([0, 50, 75]) for _ in range(2)]
    counters[0].add_bucket(7, findings)
    shuffled = list(findings)
    chance.shuffle(shuffled)
    counters[1].add_bucket(7, shuffled)
    assert counters[0].counts() == counters[1].counts()
    for each in counters[0].counts():
        assert 0 <= each.total.compromised <= each.total.judged <= each.total.alarms <= len(findings)
        assert each.of_worst_day == each.total.alarms


def test_a_finding_may_join_messages_so_a_threshold_between_more_of_them_is_not_proposed() -> None:
    counter = AlarmCounter([60, 75])
    joining = [("a", 90.0), ("b", 80.0), ("ab", 65.0)]
    counter.add_bucket(7, [Finding(score, frozenset((name,) for name in names)) for names, score in joining])
    assert [each.total.alarms for each in counter.counts()] == [1, 2]
    assert propose(counter.counts(), 1) is None


@pytest.mark.parametrize("score", [95.0, 85.0, 76.0])
def test_a_finding_of_the_bucket_covers_all_others_whatever_their_scores(score: float) -> None:
    made = Results(CONTEXT)
    made.record(START, "ann", IPS[0], 90.0)
    made.record(START, "bob", IPS[1], 80.0)
    made.bucket(START, score)
    found = advice_on(made.documents())
    assert count_of(found, 75, "buckets", "influencers", "records").total.alarms == 1
    assert count_of(found, 75, "records").total.alarms == 2


def test_interim_results_and_later_scores_do_not_count() -> None:
    made = Results(CONTEXT)
    made.record(START, "ann", IPS[0], 80.0)
    with_later = [rescored(made.found[0], 10.0), *made.documents()[1:]]
    with_interim = [*with_later, record(CONTEXT, "bob", IPS[1], 99.0, start=START + HOUR, stamp=INTERIM)]
    assert count_of(advice_on(with_interim), 75, "records").total.alarms == 1
    assert count_of(advice_on(with_interim, score="current"), 75, "records").total.alarms == 0


def test_the_worst_day_is_the_utc_day_with_the_most_alarms() -> None:
    made = Results(CONTEXT)
    for hour in (1, 23, 24, 25, 47):
        made.record(START + hour * HOUR, "ann", IPS[0], 80.0)
    found = count_of(advice_on(made.documents()), 75, "records")
    assert (found.total.alarms, found.worst_day, found.of_worst_day) == (5, day_of(START) + 1, 3)


@pytest.mark.parametrize(
    ("words", "tally"),
    [
        (["compromised"], (1, 1, 1)),
        (["safe"], (1, 1, 0)),
        (["dismissed", "compromised"], (1, 1, 1)),
        (["odd"], (1, 0, 0)),
    ],
)
def test_an_alarm_was_right_if_one_of_its_results_is_compromised(words: list[str], tally: tuple[int, ...]) -> None:
    made = Results(CONTEXT)
    for entity, word in zip(ENTITIES, words, strict=False):
        made.record(START, entity, IPS[0], 80.0)
        made.judge(word)
    made.bucket(START, 90.0)
    found = advice_on(made.documents())
    assert count_of(found, 75, "records").total == tally
    assert count_of(found, 75, "buckets").total == tally  # a bucket has the verdict of its records
    assert count_of(found, 95, "records").total == (0, 0, 0)


@pytest.mark.parametrize("kind", ["record", "influencer"])
def test_time_that_shows_nothing_is_left_out(kind: str) -> None:
    made = Results(CONTEXT)
    for day in range(DAYS):
        made.record(START + day * DAY + HOUR, "ann", IPS[0], 80.0)
        made.entity(START + day * DAY + HOUR, "ann", (IPS[0],), 80.0)
    lost = next(each for each in made.found[10:] if each.source["result_type"] == kind)
    stored = [each for each in made.documents(without=[START + DAY, START + 3 * DAY]) if each is not lost]
    blind = made.annotation(START + 2 * DAY, START + 2 * DAY + 90 * 60, "blind", fields={"blind_state": "ended"})
    cluster = ready_cluster()
    write(cluster, CONTEXT, [*stored, blind])
    found = advise(cluster, given_job(), ASKED, [(0, START + DAY)])
    assert found.time.missing_buckets == 2
    assert found.time.left_out == {LeftOut.WARM_UP: DAY, LeftOut.BLIND: 2 * HOUR, LeftOut.INCOMPLETE: DAY}
    assert found.time.seconds == (DAYS - 2) * DAY - 4 * HOUR
    # not those of the first day, of the blind hours, and of the day that lacks its record
    assert count_of(found, 75, "records").total.alarms == DAYS - 3


@pytest.mark.parametrize(("hours", "enough"), [(7 * 24, True), (7 * 24 - 1, False), (0, False)])
def test_a_proposal_needs_a_week_of_results(hours: int, enough: bool) -> None:
    found = advice_on(Results(CONTEXT).documents(without=range(START + hours * HOUR, END, HOUR)))
    assert found.enough == enough
    assert {each.proposed is not None for each in found.levels} == {enough}


def test_fewer_alarms_than_one_a_week_need_as_much_time() -> None:
    quiet = Results(CONTEXT).documents()
    assert advice_on(quiet, replace(ASKED, at_most=0.1)).enough
    assert not advice_on(quiet, replace(ASKED, at_most=0.09)).enough


def test_nothing_is_proposed_where_even_the_highest_threshold_gives_too_many() -> None:
    made = Results(CONTEXT)
    for hour in range(11):
        made.record(START + hour * HOUR, "ann", IPS[0], 100.0)
    found = advice_on(made.documents())
    assert level_of(found, "records").proposed is None
    assert level_of(found, "influencers").proposed is not None


def test_a_job_without_any_index_of_results_gets_no_proposal() -> None:
    found = advise(MemoryCluster(), given_job(on=[]), ASKED)
    assert (found.time.seconds, found.own_level, found.enough) == (0, None, False)


@given(st.integers(1, 60), st.data())
def test_the_interval_holds_the_share_and_narrows(of: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, of))
    low, high = share_interval(part, of)
    assert 0.0 <= low <= part / of <= high <= 1.0
    wide = share_interval(part, of)[1] - low
    ten = share_interval(10 * part, 10 * of)
    assert ten[1] - ten[0] < wide
    # symmetric: the others' share has the mirrored interval
    mirrored = share_interval(of - part, of)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-9)


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    assert share_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert share_interval(0, 0) == (0.0, 1.0)


def test_warm_ups_are_read_from_their_annotations() -> None:
    begun, ended, again = (
        of_warm_up(given_job(), START + day * DAY, before, after)
        for day, before, after in ((0, None, 3), (11, 13, 14), (20, 20, 5))
    )
    assert begun is not None
    assert ended is not None
    assert again is not None

    def read(*said: Annotation) -> list[tuple[int, int]]:
        made = [each.document(CONTEXT, STAMP) for each in said]
        return warm_ups([Document(each.id, each.index, each.source) for each in made], END)

    assert read(ended, begun, again) == [(START, START + 11 * DAY), (START + 20 * DAY, END)]
    assert read(ended) == [(0, START + 11 * DAY)]
    assert read(begun) == [(START, END)]
    assert read() == []
