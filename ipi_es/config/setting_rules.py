"""The settings that a job was trained with: which of them may change, and how.

A network, a history and quantiles come from the events that the job's file described. Each setting has one rule:

- ``free``: a change applies at once; nothing that was learned becomes wrong;
- ``accept``: a change is refused until a person accepts it; the job then continues with what it learned;
- ``train``: what was learned no longer fits; a change is refused until the job is trained with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, TypeAlias

from ipi_es.config.job_config import Job
from ipi_es.pseudonyms import Pseudonyms
from ipi_es.times import format_span

Rule: TypeAlias = Literal["free", "accept", "train"]

LONGEST = 2_000
"""Maximum number of characters of a value that are kept. Of a longer one, only the beginning and a digest are kept,
because the state is written with every batch."""

KEY = "entity_pseudonyms"
"""The setting whose value says under which key entities have pseudonyms."""

SHOWN = 160
"""Maximum number of characters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class SettingRule:
    """The rule for a change of a setting of a trained job; ``why`` gives the reason, for people."""

    rule: Rule
    why: str
    read: Callable[[Job], Any] = lambda _: None
    """Reads the setting's value, in JSON's types; the value of a free setting isn't kept."""
    shares: bool = False
    """The value is a list, and a change is free if the old and the new list have an entry in common."""
    initial: Any = None
    """The value that jobs had before the setting existed; None: a state without the setting tells of no change."""


def _free(why: str) -> SettingRule:
    return SettingRule("free", why)


_NO_KEY = "none"


def _key(pseudonyms: Pseudonyms | None) -> str:
    """Say which key a job has, and nothing that is secret. Raises UsageError where it can't be read."""
    return _NO_KEY if pseudonyms is None else f"key {pseudonyms.check}"


_NEXT = "takes effect at the next training"
_SCORES = "concerns scoring from now on"
_WORDS = "for people"

RULES: dict[str, SettingRule] = {
    "job_id": _free("another job_id is another job"),
    "job_type": _free(_WORDS),
    "description": _free(_WORDS),
    "groups": _free(_WORDS),
    "analysis_config.bucket_span": SettingRule(
        "train",
        "history, calibration and quantiles count by bucket",
        lambda job: format_span(job.bucket_span),
    ),
    "analysis_config.detectors[].function": _free("there is only one"),
    "analysis_config.detectors[].by_field_name": SettingRule(
        "train", "other addresses were learned", lambda job: job.ip_field
    ),
    "analysis_config.detectors[].partition_field_name": SettingRule(
        "train", "other entities were learned", lambda job: job.entity_field
    ),
    "analysis_config.detectors[].detector_description": _free(_WORDS),
    "analysis_config.influencers": _free("all levels are counted, whichever are written"),
    "data_description.time_field": SettingRule(
        "accept", "events near the checkpoint may be scored twice, or not at all", lambda job: job.time_field
    ),
    "data_description.time_format": _free("has no effect"),
    "datafeed_config.indices": SettingRule(
        "accept",
        "free while one of the names stays; with none left the events may be others, whose entities were never seen",
        lambda job: sorted(job.datafeed_config.indices),
        shares=True,
    ),
    "datafeed_config.query": SettingRule(
        "accept",
        "a wider query has entities that were never seen, a narrower one keeps what was learned of others",
        lambda job: job.datafeed_config.query,
    ),
    "datafeed_config.query_delay": _free("when a bucket is read, not what is in it"),
    "datafeed_config.frequency": _free("when a bucket is read, not what is in it"),
    "datafeed_config.runtime_mappings": SettingRule(
        "accept", "they may compute other names or addresses", lambda job: job.datafeed_config.runtime_mappings
    ),
    "datafeed_config.indices_options": _free("how missing indices are treated"),
    "datafeed_config.outcome_field": SettingRule(
        "train", "failures may have been learned as successes", lambda job: job.datafeed_config.outcome_field
    ),
    "datafeed_config.operator_field": SettingRule(
        "accept",
        "operators look new until they were seen again",
        lambda job: job.datafeed_config.operator_of(job.ip_field),
    ),
    "datafeed_config.country_field": SettingRule(
        "accept",
        "countries look new until they were seen again",
        lambda job: job.datafeed_config.country_of(job.ip_field),
    ),
    "datafeed_config.networks_files": SettingRule(
        "accept",
        "free but from none to some, or back: operators and countries then look new until they were seen again",
        lambda job: bool(job.datafeed_config.networks_files),
    ),
    "datafeed_config.score_outcomes": SettingRule(
        "accept",
        "probabilities were calibrated on other outcomes",
        lambda job: sorted(job.datafeed_config.score_outcomes),
    ),
    "datafeed_config.learn_outcomes": SettingRule(
        "train", "other outcomes were learned", lambda job: sorted(job.datafeed_config.learn_outcomes)
    ),
    "datafeed_config.entity_fields": SettingRule(
        "train", "entities have other names", lambda job: list(job.other_entity_sources), initial=[]
    ),
    "datafeed_config.entity_normalize": SettingRule(
        "train", "entities have other names", lambda job: sorted(job.datafeed_config.entity_normalize)
    ),
    "datafeed_config.exclude_entities": SettingRule(
        "accept",
        "entities that come back look unusual until they were seen again",
        lambda job: sorted(job.datafeed_config.exclude_entities),
        initial=[],
    ),
    "datafeed_config.ip_pick": SettingRule(
        "train", "other addresses were learned", lambda job: job.datafeed_config.ip_pick or "none", initial="none"
    ),
    "datafeed_config.ignore_private": SettingRule(
        "accept", "private addresses were learned, or never seen", lambda job: job.datafeed_config.ignore_private
    ),
    "datafeed_config.nat64_prefixes": SettingRule(
        "accept",
        "addresses behind these translators look new until they were seen again",
        lambda job: sorted(job.datafeed_config.nat64_prefixes),
    ),
    "datafeed_config.max_page": _free("how events are read, not which"),
    "datafeed_config.scroll_size": _free("has no effect"),
    "datafeed_config.chunking_config": _free("has no effect"),
    "datafeed_config.delayed_data_check_config": _free("has no effect"),
    "datafeed_config.max_empty_searches": _free("has no effect"),
    "results_index_name": _free("results are found by the job's name, in whichever index they are"),
    "results_retention_days": _free("what is kept"),
    "model_snapshot_retention_days": _free("what is kept"),
    "renormalization_window_days": _free(_SCORES),
    "repeat_window": _free(_SCORES),
    "incident_gap": _free("incidents are made of stored results; the next run makes them anew"),
    "hold_probability": _free("holds that were begun last as long as they would have"),
    "hold_days": _free("counts for holds that last, too"),
    "compromised_days": _free(_SCORES),
    "late_window": _free(_SCORES),
    "blind_after": _free("when the job is called blind"),
    "max_lag": _free("when the job is called late"),
    "max_records_per_bucket": _free(_SCORES),
    "training": _free(_NEXT),
    "ip_insights": _free(_NEXT),
    "allow_list": _free("pairs that it names teach nothing from now on; what they taught stays until a training"),
    "entity_groups": _free("shown with results from now on; for allow rules as for allow_list"),
    KEY: SettingRule("train", "entities have other names", lambda job: _key(job.pseudonyms), initial=_NO_KEY),
    "alerts": _free("what is sent from now on"),
}
"""The rule of every setting of a job's file, or of its section; a test finds settings without a rule."""


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    """A setting whose value differs from the one that the job was trained with."""

    setting: str
    before: Any
    now: Any
    rule: Rule

    def __str__(self) -> str:
        return f"{self.setting} was {_shown(self.before)} and is {_shown(self.now)}"


def made_with(job: Job, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings that decide what is learned: ``{place in the file: value in JSON's types}``.

    Raises UsageError where the key of its pseudonyms can't be read, unless ``KEY`` is left out.
    """
    asked = {setting: rule for setting, rule in RULES.items() if rule.rule != "free" and setting not in without}
    return {setting: _kept(rule.read(job)) for setting, rule in asked.items()}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ChangedSetting]:
    """Return all settings that differ, whatever their rule; settings missing in ``before`` count as initial."""
    found = []
    for setting, value in now.items():
        rule = RULES[setting]
        old = before.get(setting, rule.initial)
        if old == value or (setting not in before and old is None):
            continue
        free = rule.shares and isinstance(old, list) and isinstance(value, list) and set(old) & set(value)
        found.append(ChangedSetting(setting, old, value, "free" if free else rule.rule))
    return found


def key_changed(before: Mapping[str, Any], job: Job) -> ChangedSetting | None:
    """Return the change of the key of pseudonyms since ``before``; None: the same key, or still none."""
    return next(iter(changes(before, {KEY: _key(job.pseudonyms)})), None)


def _kept(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(text) <= LONGEST:
        return json.loads(text)
    return {"begins": text[:SHOWN], "sha256": sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, dict) and set(value) == {"begins", "sha256"}:
        return f"{value['begins']}…"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
