"""Which results of a bucket that was scored again alerts must see anew."""

from __future__ import annotations

from typing import Any

import pytest
from made_results import START, record

from ipi_es.results.documents.rescored import MOMENT, is_news, with_moments
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument

CONTEXT = ResultContext("logins", 3_600, "user.name", "source.ip")


def scored(score: float, **fields: Any) -> ResultDocument:
    made = record(CONTEXT, score=score)
    return ResultDocument(made.index, made.id, {**made.source, **fields})


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        (None, {}, True),
        ({"initial_record_score": 49.9}, {"initial_record_score": 50.0}, True),
        ({"initial_record_score": 50.0}, {"initial_record_score": 74.9}, False),
        ({"initial_record_score": 90.0}, {"initial_record_score": 10.0}, False),
        # a renormalization raised it, and alerted nobody
        ({"initial_record_score": 20.0, "record_score": 90.0}, {"initial_record_score": 90.0}, True),
        ({"repeat_of": "x"}, {}, True),
        ({"suppressed_by": "vpn"}, {"suppressed_by": "vpn"}, False),
        ({}, {"repeat_of": "x"}, False),
        ({"is_interim": True}, {}, True),
    ],
)
def test_news_is_what_was_no_alarm_before(before: dict[str, Any] | None, now: dict[str, Any], news: bool) -> None:
    stored = None if before is None else scored(80.0, **before).source
    assert is_news(scored(80.0, **now).source, stored) is news


def test_what_is_no_news_keeps_its_moment_and_nothing_else() -> None:
    made, stored = scored(81.0, **{MOMENT: 2_000}), scored(80.0, **{MOMENT: 1_000})
    ((kept,), alarms) = with_moments([made], {stored.id: stored.source})
    assert (kept.source, alarms) == ({**made.source, MOMENT: 1_000}, 0)


def test_new_records_are_counted_but_for_those_that_are_no_alarm() -> None:
    first, second = scored(80.0), record(CONTEXT, START + 3_600)
    quiet = ResultDocument(second.index, second.id, {**second.source, "repeat_of": first.id})
    assert with_moments([first, quiet], {}) == ([first, quiet], 1)
