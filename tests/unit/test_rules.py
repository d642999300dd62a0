"""Rules as documents: the store, what they do in a job, the command, and what `check` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run
from late_parts import add_events, live

from ipi_es.addresses import within
from ipi_es.cluster.port import Document
from ipi_es.config.allow_rule import AllowRule
from ipi_es.config.job_config import Job
from ipi_es.errors import AnswerIncomplete, StateDamaged, UsageError
from ipi_es.results.reading.rule_uses import RuleUse, rule_uses
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.check_rules import judge_rules
from ipi_es.setup.facts.facts_rules import RuleFacts, rule_facts
from ipi_es.state.rule_store import RULES_INDEX, RuleStore, StoredRule, StoredRules
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.open_session import open_session

NOMADS_FROM = company.SCORED_FROM + 3 * company.DAY
NET = "198.18.0.0/16"
"""Where the nomads come from, from NOMADS_FROM on."""


def stored(name: str = "office", *, start: int = 1_000, **more: Any) -> StoredRule:
    allow = AllowRule.model_validate({"id": name, **more.pop("rule", {"cidr": NET})})
    return StoredRule(allow, "why", "ann", created=more.pop("created", 900), start=start, **more)


@pytest.fixture
def store() -> RuleStore:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return RuleStore(cluster)


def test_a_rule_is_read_as_it_was_written(store: RuleStore) -> None:
    conditions = {"entity": "svc-*", "cidr": NET, "operator": "AS64496", "country": "at", "network_type": "vpn"}
    first = stored("a", rule={**conditions, "learn": True}, jobs=("signins",), expires=5_000)
    second = stored("b", rule={"group": "admins", "country": "AT", "force": True}, created=901)
    store.add_rule(second)
    store.add_rule(first)
    assert store.all().rules == (first, second)
    assert store.get("a") == first
    assert [each.rule.name for each in store.all().of_job("signins")] == ["a", "b"]
    assert [each.rule.name for each in store.all().of_job("other")] == ["b"]


def test_a_name_is_given_once_and_an_ended_rule_stays(store: RuleStore) -> None:
    store.add_rule(stored())
    with pytest.raises(UsageError, match=r"there is a rule “office” already\n"):
        store.add_rule(stored(start=2_000))
    ended = store.end_rule("office", 3_000, "bob")
    assert (ended.end, ended.ended_by, store.get("office")) == (3_000, "bob", ended)
    with pytest.raises(UsageError, match="already, which ended 1970-01-01T00:50:00Z"):
        store.add_rule(stored())
    with pytest.raises(UsageError, match="ended 1970-01-01T00:50:00Z already"):
        store.end_rule("office", 4_000, "bob")
    for act in (lambda: store.end_rule("none", 1, "bob"), lambda: store.require("none")):
        with pytest.raises(UsageError, match="there is no rule “none”"):
            act()


def test_rules_are_read_again_only_where_a_document_was_written_or_deleted(store: RuleStore) -> None:
    assert store.all() is store.all()
    store.add_rule(stored())
    found = store.all()
    assert store.all() is found
    store.end_rule("office", 3_000, "bob")
    assert store.all().rules[0].ended == 3_000
    store.cluster.delete(RULES_INDEX, "rule:office")
    store.cluster.refresh(RULES_INDEX)
    assert store.all().rules == ()


def test_rules_of_an_index_that_was_made_anew_are_read(store: RuleStore) -> None:
    store.add_rule(stored("old"))
    assert [each.name for each in store.all().rules] == ["old"]
    store.cluster.delete_index(RULES_INDEX)
    store.add_rule(stored("new", created=950))
    assert [each.name for each in store.all().rules] == ["new"]


class ChangedAnswers(MemoryCluster):
    """A cluster that answers reads of the rules otherwise than it should, as long as a function says how."""

    scanned: Callable[[list[Document]], list[Document]] | None = None
    found: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def scan(self, *args: Any, **options: Any) -> Iterator[Document]:
        documents = list(super().scan(*args, **options))
        return iter(documents if self.scanned is None else self.scanned(documents))

    def search(self, *args: Any, **options: Any) -> dict[str, Any]:
        answer = super().search(*args, **options)
        return answer if self.found is None else self.found(answer)


@pytest.fixture
def changed() -> ChangedAnswers:
    cluster = ChangedAnswers()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    store = RuleStore(cluster)
    store.add_rule(stored("a"))
    store.add_rule(stored("b"))
    return cluster


def test_rules_from_a_copy_that_lags_behind_are_not_taken(changed: ChangedAnswers) -> None:
    store = RuleStore(changed)
    before = list(changed.scan(RULES_INDEX, {"match_all": {}}))
    store.end_rule("a", 3_000, "bob")
    changed.scanned = lambda _: before
    with pytest.raises(AnswerIncomplete, match="the rules that were read are not all that the index counts"):
        store.all()
    changed.scanned = None
    assert [each.ended for each in store.all().rules] == [3_000, None]


def test_a_copy_that_lags_once_is_asked_again(changed: ChangedAnswers) -> None:
    asked: list[int] = []

    def cut_once(documents: list[Document]) -> list[Document]:
        asked.append(len(documents))
        return documents[:1] if len(asked) == 1 else documents

    changed.scanned = cut_once
    assert len(RuleStore(changed).all().rules) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: {**answer, "aggregations": {}},
        lambda answer: {name: part for name, part in answer.items() if name != "aggregations"},
        lambda answer: {name: part for name, part in answer.items() if name != "hits"},
        lambda answer: {**answer, "hits": {"total": {"value": 1}}},
    ],
)
def test_rules_without_the_proof_that_they_are_whole_are_not_taken(
    changed: ChangedAnswers, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store = RuleStore(changed)
    assert len(store.all().rules) == 2
    changed.found = change
    with pytest.raises(AnswerIncomplete):
        store.all()
    changed.found, changed.scanned = None, lambda documents: documents[:1]
    with pytest.raises(AnswerIncomplete):
        RuleStore(changed).all()


def test_the_earlier_of_expiry_and_end_counts() -> None:
    assert stored(expires=5_000).end == 5_000
    assert stored(expires=5_000, ended=4_000).end == 4_000
    assert stored().timed.acts_at(1_000)
    assert not stored().timed.acts_at(999)
    assert not stored(expires=5_000).timed.acts_at(5_000)
    assert stored(expires=5_000).timed.acts_at(4_999)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cidr": "198.18.0.1/16"}, "has bits set behind its prefix"),
        ({"cidr": None}, "needs entity, group, cidr, operator"),
        ({"country": 7}, "country"),
        ({"start": None}, "its field “start” is missing"),
        ({"name": "other"}, 'its field “name” is "other", not office, as its id says'),
        ({"format": 99}, "was written by a newer ipi-es"),
        ({"author": None}, "its field “author” is missing"),
        ({"entitty": "ann"}, 'its field “entitty” is "ann", not a field of a rule'),
    ],
)
def test_a_document_that_is_no_rule_allows_nothing_and_is_named(
    store: RuleStore, change: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_rule(stored("fine"))
    store.cluster.put(RULES_INDEX, "rule:office", {**stored().source(), **change}, refresh=True)
    found = store.all()
    assert [each.name for each in found.rules] == ["fine"]
    assert said in found.damaged["rule:office"]
    assert "it allows nothing" in caplog.text
    (finding,) = judge_rules(company.make_job(), rule_facts(store.cluster, company.make_job()), 2_000)
    assert (finding.level, finding.message) == ("warning", found.damaged["rule:office"])


def test_a_damaged_rule_is_an_error_where_it_is_asked_for(store: RuleStore) -> None:
    store.cluster.put(RULES_INDEX, "rule:office", {**stored().source(), "cidr": "x"}, refresh=True)
    with pytest.raises(StateDamaged, match="no address or network"):
        store.get("office")


JOB = Job.model_validate(company.job_data() | {"allow_list": []})


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained, own_events=True)


def score(resources: JobResources, start: int, end: int) -> None:
    with open_session(resources) as session:
        session.backfill(session.plan(start, end), lambda _: None)


def suppressed(cluster: MemoryCluster) -> dict[str, set[int]]:
    """The buckets of the nomads' records, by what suppressed them."""
    cluster.refresh(ALIAS)
    found: dict[str, set[int]] = {}
    for each in parts.of_kind(parts.results(cluster, JOB), "record"):
        if each["partition_field_value"] in company.NOMADS and each["by_field_value"].startswith("198.18."):
            found.setdefault(each.get("suppressed_by", ""), set()).add(each["timestamp"] // 1_000)
    return found


def test_a_rule_acts_from_its_start_to_its_end_in_a_worker_that_goes_on(cluster: MemoryCluster) -> None:
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    begin, middle, last = (NOMADS_FROM + hours * company.HOUR for hours in (6, 12, 24))
    score(resources, company.SCORED_FROM, NOMADS_FROM)
    RuleStore(cluster).add_rule(stored(start=begin))
    score(resources, NOMADS_FROM, middle)
    RuleStore(cluster).end_rule("office", last, "ann")
    score(resources, middle, company.SCORED_TO)
    found = suppressed(cluster)
    assert set(found) == {"", "office"}
    assert all(begin <= time < last for time in found["office"])
    assert all(time < begin for time in found[""])


def test_a_rule_is_seen_although_the_groups_could_not_be_read_when_it_came(store: RuleStore, tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text("ann,admins\n")
    job = Job.model_validate(company.job_data() | {"allow_list": [], "entity_groups": {"file": str(file)}})
    assert store.allow_list(job).rules == ()
    store.add_rule(stored())
    file.write_text("ann\n")
    with pytest.raises(UsageError, match="instead of an entity and a group"):
        store.allow_list(job)
    file.write_text("ann,admins\n")
    assert [each.rule.name for each in store.allow_list(job).rules] == ["office"]


def test_rules_of_other_jobs_dont_act(cluster: MemoryCluster) -> None:
    RuleStore(cluster).add_rule(stored(jobs=("other",)))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    assert set(suppressed(cluster)) == {""}


@pytest.mark.parametrize("learn", [False, True])
def test_what_a_rule_allowed_is_learned_only_where_it_says_so(cluster: MemoryCluster, *, learn: bool) -> None:
    rule = {"cidr": NET, "learn": learn}
    RuleStore(cluster).add_rule(stored(rule=rule, start=NOMADS_FROM, ended=NOMADS_FROM + company.DAY))
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    score(resources, company.SCORED_FROM, company.SCORED_TO)
    found = suppressed(cluster)
    assert found["office"]
    after = {time for time in found.get("", set()) if time >= NOMADS_FROM + company.DAY}
    assert bool(after) is not learn  # the next day's sign-ins from there are usual where they were learned


def test_a_bucket_that_is_scored_again_finds_the_rules_of_its_time(cluster: MemoryCluster) -> None:
    """A rule that begins later doesn't hide what was there before, even where the earlier bucket is scored again."""
    checkpoint = NOMADS_FROM + 6 * company.HOUR
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, checkpoint)
    before = suppressed(cluster)
    RuleStore(cluster).add_rule(stored(start=checkpoint))
    add_events(cluster, [(NOMADS_FROM + 60, company.NOMADS[0], "198.18.0.7")])
    with live(cluster, JOB, parts.NOW + 7_200) as session:
        assert [each.start for each in rescore_late(session, parts.NOW + 7_200)] == [NOMADS_FROM]
    assert suppressed(cluster) == before
    assert set(before) == {""}


@pytest.fixture
def here(cluster: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    connect_to(monkeypatch, cluster)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "signins.json").write_text(json.dumps(company.job_data() | {"allow_list": []}))
    return cluster


ADD = ("rule", "add", "office", "--reason", "moved", "--by", "ann")


def test_the_command_adds_lists_shows_and_ends_a_rule(here: MemoryCluster) -> None:
    started = ("--start", "2025-09-02", "--expires", "now+30d")
    said = run(*ADD, "--cidr", NET, *started)
    assert said.exit_code == 0
    assert (
        "In all jobs, cidr 198.18.0.0/16 raises no alarm in buckets that start from 2025-09-02T00:00:00Z on"
        in said.stdout
    )
    assert "What the rule allows is not learned." in said.stdout
    score(JobResources(here, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    here.refresh(ALIAS)
    (row,) = json.loads(run("rule", "list", "--job", "signins", "--format", "json").stdout)
    assert (row["name"], row["state"], row["jobs"], row["author"]) == ("office", "acts", "all", "ann")
    assert row["hidden_records"] == len(
        [each for each in parts.of_kind(parts.results(here, JOB), "record") if each.get("suppressed_by") == "office"]
    )
    assert row["hidden_records"] > 0
    assert row["worst_score"] > 0
    shown = run("rule", "show", "office").stdout
    assert "moved" in shown
    assert "hidden records" in shown
    assert "wasn" not in run("rule", "end", "office").stderr
    assert json.loads(run("rule", "list", "--format", "json").stdout) == []
    (row,) = json.loads(run("rule", "list", "--all", "--format", "json").stdout)
    assert row["state"] == "ended"
    assert "No rule acts." in run("rule", "list").stdout + run("rule", "list").stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cidr", "198.18.0.1/16"), "has bits set behind its prefix"),
        (("--cidr", "office"), "no address or network"),
        (("--cidr", "0.0.0.0/0"), "would allow everything"),
        (("--entity", "*"), "would allow everything"),
        (("--country", "AT"), "would allow everybody from a whole country"),
        (("--entity", "[!_]*"), "in job signins: “office” would allow"),
        (("--group", "admins"), "in job signins: “admins” needs entity_groups"),
        (("--network-type", "office"), "network-type"),
        ((), "needs entity, group, cidr"),
        (("--cidr", NET, "--entity", ""), "entity: must not be empty"),
        (("--entity", "ann", "--cidr", ""), "no address or network"),
        (("--cidr", NET, "--expires", "2020-01-01"), "would end 2020-01-01T00:00:00Z, before it acts"),
        (("--cidr", NET, "--start", "now+2d", "--expires", "now+1d"), "before it acts"),
        (("--cidr", NET, "--expires", "2200-01-01"), "times of the years 1970 to 2099, and 2200-01-01T00:00:00Z"),
        (("--cidr", NET, "--start", "2200-01-01"), "times of the years 1970 to 2099"),
        (("--cidr", NET, "--start", "1960-01-01"), "times of the years 1970 to 2099"),
        (("--cidr", NET, "--job", "none"), "none"),
    ],
)
def test_a_wrong_rule_is_a_clear_error(here: MemoryCluster, options: tuple[str, ...], said: str) -> None:
    result = run(*ADD, *options)
    assert result.exit_code != 0
    assert said in result.stderr
    assert RuleStore(here).all().rules == ()


@pytest.mark.parametrize("name", [" office", "a\x1b[31m", "line\nbreak", "x" * 257, "ü" * 129, "\u202eeciffo"])
def test_a_name_that_cannot_be_shown_is_refused(here: MemoryCluster, name: str) -> None:
    result = run("rule", "add", name, "--cidr", NET, "--reason", "why")
    assert "can't be a rule's" in result.stderr
    assert "\x1b" not in result.stderr
    assert RuleStore(here).all().rules == ()


@pytest.mark.parametrize("name", ["a/b c*", "gül", "ü" * 128])
def test_other_names_are_taken_shown_and_ended(here: MemoryCluster, name: str) -> None:
    for command in (("add", name, "--cidr", NET, "--reason", "why"), ("show", name), ("end", name)):
        assert run("rule", *command).exit_code == 0
    assert [each.name for each in RuleStore(here).all().rules] == [name]


def test_a_rule_needs_a_reason(here: MemoryCluster) -> None:
    assert "the rule has no reason" in run("rule", "add", "office", "--cidr", NET, "--reason", " ").stderr


def test_a_rule_is_shown_without_control_characters(here: MemoryCluster) -> None:
    RuleStore(here).add_rule(replace(stored(), reason="\x1b]0;owned\x07"))
    assert "\ufffd]0;owned\ufffd" in run("rule", "show", "office").stdout


@pytest.mark.parametrize(
    "options", [("--cidr", "0.0.0.0/0"), ("--entity", "*"), ("--country", "AT"), ("--entity", "[!_]*")]
)
def test_what_would_hide_everything_needs_force(here: MemoryCluster, options: tuple[str, ...]) -> None:
    assert run(*ADD, *options, "--force").exit_code == 0
    assert len(RuleStore(here).all().rules) == 1


def test_rules_that_together_would_hide_everything_are_refused(here: MemoryCluster) -> None:
    halves = ("0.0.0.0/1", "128.0.0.0/1")
    assert run("rule", "add", "low", "--reason", "why", "--cidr", halves[0], "--job", "signins").exit_code == 0
    refused = run(*ADD, "--cidr", halves[1])
    assert refused.exit_code != 0
    assert "in job signins: “low”, “office” would allow 100 % of the sign-ins" in refused.stderr
    assert run(*ADD, "--cidr", NET).exit_code == 0
    assert run("rule", "add", "high", "--reason", "why", "--cidr", halves[1], "--force").exit_code == 0
    run("rule", "end", "high")
    run("rule", "end", "low")
    assert run("rule", "add", "later", "--reason", "why", "--cidr", halves[1]).exit_code == 0


def test_a_narrow_rule_is_added_without_a_look_at_the_others(here: MemoryCluster) -> None:
    scans = list[str]()
    here.before = lambda operation, index: scans.append(index) if operation == "scan" else None
    assert run(*ADD, "--cidr", NET, "--entity", "ann").exit_code == 0
    assert RULES_INDEX not in scans


def test_a_rule_is_tried_on_a_job_that_is_named_by_its_file(here: MemoryCluster, tmp_path: Path) -> None:
    file = tmp_path / "apart.json"
    file.write_text(json.dumps(company.job_data() | {"job_id": "apart", "allow_list": []}))
    assert "in job apart: “office” would allow" in run(*ADD, "--entity", "[!_]*", "--job", str(file)).stderr
    assert run(*ADD, "--cidr", NET, "--job", str(file), "--job", str(file)).exit_code == 0
    assert RuleStore(here).require("office").jobs == ("apart",)


def test_a_second_rule_of_a_name_is_refused(here: MemoryCluster) -> None:
    assert run(*ADD, "--cidr", NET).exit_code == 0
    assert "there is a rule “office” already" in run(*ADD, "--cidr", NET).stderr


def rule_findings(cluster: MemoryCluster, now: int) -> list[Finding]:
    return judge_rules(JOB, rule_facts(cluster, JOB), now)


def test_uses_are_counted_page_by_page(cluster: MemoryCluster) -> None:
    for begin in range(NOMADS_FROM, company.SCORED_TO, 6 * company.HOUR):
        RuleStore(cluster).add_rule(stored(f"from-{begin}", start=begin, ended=begin + 6 * company.HOUR))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    cluster.refresh(ALIAS)
    whole = rule_uses(cluster)
    assert len(whole) >= 2
    for size in (1, 2, len(whole)):
        assert rule_uses(cluster, page_size=size) == whole


def test_check_names_rules_that_hid_nothing_and_that_expired(
    cluster: MemoryCluster,
) -> None:
    rules = RuleStore(cluster)
    rules.add_rule(stored("victims", rule={"entity": company.VICTIM}, start=company.SCORED_FROM))
    rules.add_rule(stored("unused", rule={"entity": "nobody"}, start=company.SCORED_FROM))
    rules.add_rule(stored("past", rule={"entity": "nobody"}, start=1_000, expires=company.SCORED_TO))
    rules.add_rule(stored("young", rule={"entity": "nobody"}, start=company.SCORED_TO))
    rules.add_rule(stored("others", rule={"entity": "nobody"}, start=1_000, jobs=("other",)))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    cluster.refresh(ALIAS)
    found = {each.message: each for each in rule_findings(cluster, company.SCORED_TO + 2 * company.DAY)}
    texts = sorted(found)
    assert [text.split("”")[0] for text in texts] == ["the rule “past"]
    assert "expired 2025-09-04T00:00:00Z: what it allowed wasn't learned, and raises alarms" in texts[0]
    later = [each.message for each in rule_findings(cluster, company.SCORED_FROM + 40 * company.DAY)]
    assert any("the rule “unused” hid nothing since" in text for text in later)
    assert not any("past" in text for text in later)


def test_check_finds_rules_that_together_allow_nearly_everything() -> None:
    low, high = (stored(name, rule={"cidr": cidr}) for name, cidr in (("low", "0.0.0.0/1"), ("high", "128.0.0.0/1")))
    (found,) = judge_rules(JOB, RuleFacts(StoredRules((low, high)), {}), 2_000)
    assert (found.level, found.check) == ("problem", "rules")
    assert "“low”, “high” would allow 100 % of the sign-ins" in found.message
    for rules in (
        (low, replace(high, ended=1_500)),
        (low, stored("high", rule={"cidr": high.rule.cidr, "force": True})),
    ):
        assert [each.level for each in judge_rules(JOB, RuleFacts(StoredRules(rules), {}), 2_000)] == ["ok"]


def test_check_waits_with_a_new_rule_that_begins_in_the_past() -> None:
    facts = RuleFacts(StoredRules((stored(start=1_000, created=40 * company.DAY),)), {})
    assert [each.level for each in judge_rules(JOB, facts, 41 * company.DAY)] == ["ok"]
    (found,) = judge_rules(JOB, facts, 70 * company.DAY)
    assert found.message == "the rule “office” hid nothing since 1970-02-10T00:00:00Z"


def test_a_training_after_a_rules_end_learns_nothing_that_it_allowed(cluster: MemoryCluster) -> None:
    end = NOMADS_FROM + company.DAY
    RuleStore(cluster).add_rule(stored(start=NOMADS_FROM, ended=end))
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    collector = resources.collector(NOMADS_FROM, company.SCORED_TO)
    for bucket in resources.read(NOMADS_FROM, company.SCORED_TO):
        collector.take(bucket)
    events = collector.events(company.SCORED_TO)
    from_there = within(events.addresses, NET)[events.ip]
    assert from_there[events.time < end].any()
    assert not events.learns[from_there & (events.time < end)].any()
    assert events.learns[from_there & (events.time >= end)].any()


def test_check_names_a_rule_that_hid_something_critical() -> None:
    uses = {"bad": RuleUse(3, company.SCORED_TO, 87.04), "fine": RuleUse(9, company.SCORED_TO, 74.9)}
    (found,) = judge_rules(JOB, RuleFacts(StoredRules(), uses), company.SCORED_TO)
    assert found.message == "the rule “bad” hid 3 records, the last 2025-09-04T00:00:00Z, up to 87"
    assert "ipi-es results records signins --all" in str(found.hint)


def test_check_says_how_many_rules_act(cluster: MemoryCluster) -> None:
    assert rule_findings(cluster, 2_000) == []
    RuleStore(cluster).add_rule(stored())
    (found,) = rule_findings(cluster, 2_000)
    assert (found.level, found.message) == ("ok", "1 of ipi-es-rules act or will act")
