"""The report's page: what is on it; nothing from outside is more than text; it asks the network for nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from report_parts import DAY, HOSTILE, START, YOUNG, bucket, findings, hostile, influencer, note, record

from ipi_es.report.entries import MAX_CARDS
from ipi_es.report.learned import JobKnowledge
from ipi_es.report.page import page
from ipi_es.report.report_findings import Findings
from ipi_es.results.documents.visible import visible

VOID = {"meta", "br", "col", "rect", "path"}


class Reader(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def made(found: Findings, learned: JobKnowledge = YOUNG) -> str:
    return page(found, learned, made_at=START + DAY)


def read(found: Findings, learned: JobKnowledge = YOUNG) -> Reader:
    reader = Reader(made(found, learned))
    assert reader.open == []
    return reader


FULL = findings(
    records=[
        record(),
        record("bob", "192.0.2.1", 30.0, repeat_of="x"),
        record("carol", "192.0.2.9", 99.0, suppressed_by="vpn"),
    ],
    influencers=[influencer("user.name", "alice", 80.0), influencer("source.ip", "198.51.100.7", 85.0)],
    annotations=[note("A new office opened")],
)


def test_a_page_shows_who_from_where_when_why_and_what_is_usual() -> None:
    text = " ".join(read(FULL).text.split())
    assert "alice from 198.51.100.7" in text
    assert "2026-05-22 01:00 UTC" in text
    assert "In what was learned before 2026-05-22, alice never used this address; nobody used 198.51.100.0/24" in text
    assert "Where alice usually comes from 203.0.113.0/24 75% 2001:db8::/48 25%" in text
    assert "1 in 10,000 events of names with a comparable history (31–200 events)" in text
    assert "ipi-es explain logins alice 198.51.100.7" in text


def test_a_page_shows_calibration_warm_up_and_what_was_noted() -> None:
    text = " ".join(read(FULL).text.split())
    assert "its history is 10 days long, of 14 wanted" in text
    assert "more than 200 events 9,904 9,904 1 in 9,900, extrapolated below stands alone" in text
    assert "no events 12 700 1 in 700 too few: borrows from 1–5 events" in text
    assert "A new office opened" in text


def test_what_was_not_scored_looks_unlike_what_was_quiet_and_is_said() -> None:
    whole = read(replace(FULL, end=whole_end(FULL)))
    assert not [tag for tag, given in whole.tags if given.get("class") == "unscored"]
    assert "not scored" not in whole.text.lower()
    some = replace(FULL, buckets=[each for each in FULL.buckets if each["timestamp"] // 3_600_000 % 24 not in {4, 5}])
    gaps = read(replace(some, end=whole_end(FULL)))
    lanes = sum(given.get("class") in {"cells", "events"} for _, given in gaps.tags)
    assert sum(given.get("class") == "unscored" for _, given in gaps.tags) == lanes + 1  # and one in the legend
    assert "2026-05-22 04:00 UTC to 2026-05-22 06:00 UTC" in gaps.text
    assert "not scored" in gaps.text


def whole_end(found: Findings) -> int:
    """The end of the last bucket."""
    return int(found.buckets[-1]["timestamp"]) // 1_000 + 3_600


def test_the_page_begins_with_the_incidents() -> None:
    story = [
        record("alice", "203.0.113.9", 91.0),
        record("bob", "203.0.113.77", 60.0),
        record("eve", "192.0.2.1", 30.0),
    ]
    text = made(findings(records=story))
    assert text.index('id="incidents"') < text.index('id="glance"')
    cards = text[text.index('id="incidents"') : text.index('id="glance"')]
    assert cards.count('<div class="card') == 2
    assert "<bdi>alice, bob</bdi>" in cards
    assert "<bdi>203.0.113.0/24</bdi>" in cards
    assert "2 results" in cards
    assert "No finding had a score of 25 or more" in made(findings(records=[record("eve", "192.0.2.1", 20.0)]))


def test_what_a_rule_allows_has_no_card() -> None:
    assert "carol" not in read(FULL).text


def test_what_is_in_a_scheduled_event_has_no_card_and_no_critical_bucket() -> None:
    event = {"scheduled_events": ["move"]}
    loud = findings(buckets=[bucket(hour, 90.0 if hour == 1 else 0.0) for hour in range(24)])
    planned = replace(
        loud,
        buckets=[each | event for each in loud.buckets],
        records=[record("carol", "192.0.2.9", 99.0) | event],
        influencers=[influencer("user.name", "carol", 95.0) | event],
    )
    assert "carol" not in read(planned).text
    texts = [" ".join(read(each).text.split()) for each in (loud, planned)]
    assert ["1 critical buckets" in text for text in texts] == [True, False]
    assert ["not scored" in text.lower() for text in texts] == [False, False]


def test_the_same_findings_give_the_same_page() -> None:
    assert made(FULL) == made(FULL)


def test_names_from_outside_are_text_and_nothing_else() -> None:
    reader = read(hostile())
    for name in HOSTILE:
        assert visible(name) in reader.text
    assert {tag for tag, _ in reader.tags} & {"script", "img", "iframe", "object", "form", "link"} == set()
    assert [name for _, given in reader.tags for name in given if name.startswith("on")] == []
    assert "49" not in re.findall(r"\b49\b", reader.text)  # {{ 7 * 7 }} was not reckoned
    assert "\x1b" not in made(hostile())
    assert "\u202e" not in made(hostile())


def test_the_page_asks_the_network_for_nothing_and_forbids_it() -> None:
    text = made(hostile())
    reader = Reader(text)
    policy = next(given["content"] for tag, given in reader.tags if given.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    links = [given[name] for _, given in reader.tags for name in ("href", "src", "srcset", "action") if name in given]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_leads_to_something_on_the_page_and_ids_are_unique() -> None:
    reader = read(FULL)
    ids = [given["id"] for _, given in reader.tags if "id" in given]
    assert len(ids) == len(set(ids))
    targets = {str(given["href"])[1:] for tag, given in reader.tags if tag == "a"}
    labels = {str(given["aria-labelledby"]) for _, given in reader.tags if "aria-labelledby" in given}
    assert targets | labels <= set(ids)


def test_every_picture_has_words_or_is_hidden_from_readers() -> None:
    for tag, given in read(FULL).tags:
        if tag == "svg":
            assert given.get("aria-label") or given.get("aria-hidden") == "true"


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in read(FULL).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_time_without_buckets_says_so_and_what_to_do() -> None:
    text = " ".join(read(Findings(FULL.job, START, START + DAY)).text.split())
    assert "Nothing was scored in this time" in text
    assert "ipi-es backfill logins --start 2026-05-22T00:00Z --end 2026-05-23T00:00Z" in text


def test_quiet_buckets_make_a_page_without_cards() -> None:
    text = read(findings()).text
    assert "No sign-in had a score of 1 or more." in text
    assert "None had a score of 1 or more." in text


def test_a_snapshot_that_cannot_be_read_is_said() -> None:
    assert (
        "The job has learned nothing yet." in read(FULL, JobKnowledge(trouble="The job has learned nothing yet.")).text
    )


def test_another_snapshot_than_the_present_one_is_named() -> None:
    assert "20260522T000000Z-1f3a9c0b" in read(FULL, replace(YOUNG, snapshot_id="later")).text


def test_many_records_are_counted_with_the_command_that_lists_them() -> None:
    many = [record(f"person{number}", score=50.0) for number in range(MAX_CARDS + 7)]
    reader = read(findings(records=many))
    assert len([tag for tag, _ in reader.tags if tag == "article"]) == MAX_CARDS
    assert "7 less unusual pairs are left out here" in " ".join(reader.text.split())


def test_repeats_of_a_pair_share_its_card() -> None:
    twice = [record(hour=3, score=90.0, repeat_of="x"), record(hour=1)]
    reader = read(findings(records=twice))
    assert len([tag for tag, _ in reader.tags if tag == "article"]) == 1
    assert "in 2 buckets, 2026-05-22 01:00 UTC to 2026-05-22 03:00 UTC" in reader.text
    assert "80 critical" in reader.text  # of the first, which raised the alarm


def test_an_address_that_is_unusual_only_as_a_whole_has_a_card_that_ranks_as_high() -> None:
    tried = [record(f"person{number}", "192.0.2.66", 5.0) for number in range(60)]
    found = findings(records=[record(), *tried], influencers=[influencer("source.ip", "192.0.2.66", 99.0)])
    text = " ".join(read(found).text.split())
    assert text.index("from 192.0.2.66") < text.index("alice from 198.51.100.7")
    assert "5 warning; unusual together with those below" in text
    assert "and 54 more" in text


@pytest.mark.parametrize("entities", [0, 10_000])
def test_none_or_ten_thousand_entities_make_a_page_that_can_be_mailed(entities: int) -> None:
    records = [record(f"person{number}", score=20.0) for number in range(entities)]
    influencers = [influencer("user.name", f"person{number}", 20.0) for number in range(entities)]
    text = made(findings(records=records, influencers=influencers))
    assert len(text) < 300_000


def test_a_year_of_quarters_of_an_hour_has_no_more_columns_than_a_day() -> None:
    year = [bucket(hour, 60.0) for hour in range(0, 365 * 24, 6)]
    assert len(made(Findings(FULL.job, START, START + 365 * DAY, buckets=year))) < 100_000


def test_page_says_which_scores_it_counts_by_where_initial_and_current_differ() -> None:
    risen = influencer("user.name", "alice", 80.9) | {"initial_influencer_score": 74.97}
    text = " ".join(read(findings(records=[record()], influencers=[risen])).text.split())
    assert "1 critical user.name values" in text
    assert (
        "Scores are those of now, after renormalization. By the initial ones, which alerts go by, 0 buckets and, of "
        "the names that score at least 1 now, 0 user.name values and 0 source.ip values were critical." in text
    )
