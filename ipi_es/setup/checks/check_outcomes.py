"""Judge the outcomes of a job's events: is every word for a success scored, and nothing else? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import UNKNOWN
from ipi_es.errors import DataError
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.contents.outcome_words import meaning, meaning_in, spelled_alike

CHECK = "outcomes"

MISSING_WARNED = 0.1
"""Share of events without an outcome above which a warning is given: in real logs a few always lack it."""

OTHER_SPELLING = 0.01
"""Share of events with another spelling of a wanted outcome from which it is a problem; below, it is a warning."""

UNSCORED_WARNED = 0.1
"""Share of events above which a warning is given for words that are neither scored, nor learned, nor failures."""

SHOWN = 8
"""Maximum number of outcomes in a message."""


@dataclass(frozen=True, slots=True)
class OutcomeField:
    """A field with outcomes that the job doesn't name; ``words`` are its words with their numbers of events."""

    name: str
    words: Mapping[str, int]

    def of(self, said: str) -> dict[str, int]:
        """Return the words with one meaning (``success`` or ``failure``), with their numbers of events."""
        return {word: count for word, count in self.words.items() if meaning_in(self.name, word) == said}


def judge_outcomes(
    job: Job, seen: Mapping[str, int], missing: int, events: int, other: OutcomeField | None = None
) -> list[Finding]:
    """Judge outcomes: ``seen`` counts events by word; ``other`` is a field with failures that the job doesn't name."""
    feed = job.datafeed_config
    if feed.outcome_field is None:
        return [_without_field(events, other)]
    seen = {name: count for name, count in seen.items() if count}
    if missing:
        seen[UNKNOWN] = seen.get(UNKNOWN, 0) + missing
    wanted = {"score_outcomes": feed.score_outcomes, "learn_outcomes": feed.learn_outcomes}
    empty = [name for name, outcomes in wanted.items() if not set(outcomes) & set(seen)]
    if empty:
        return [_none_wanted(job, seen, events, {name: wanted[name] for name in empty})]
    found = [*_otherwise(job, seen, events), *_unscored(job, seen, events)]
    if missing > events * MISSING_WARNED and UNKNOWN not in feed.outcomes:
        found.append(
            warning(
                CHECK,
                f"{percent(missing, events)} of the events lack {feed.outcome_field} ({shares(seen, events)})",
                "they are left out: add “unknown” to score_outcomes and learn_outcomes if they are sign-ins too",
            )
        )
    return found or [ok(CHECK, f"{feed.outcome_field}: {shares(seen, events)}")]


def shares(seen: Mapping[str, int], events: int) -> str:
    """Format outcomes with their shares, at most :data:`SHOWN`: ``success 90 %, failure 10 %``."""
    return some([f"{name} {percent(count, events)}" for name, count in seen.items()], SHOWN) or "nothing"


def _none_wanted(job: Job, seen: Mapping[str, int], events: int, empty: Mapping[str, tuple[str, ...]]) -> Finding:
    asked = " and ".join(f"{name} ({', '.join(outcomes)})" for name, outcomes in empty.items())
    alike = [word for word in seen if any(spelled_alike(word, outcomes) for outcomes in empty.values())]
    words = f", such as {', '.join(alike[:SHOWN])}," if alike else ""
    error = DataError(
        f"no event has an outcome of {asked}; {job.datafeed_config.outcome_field} holds {shares(seen, events)}",
        hint=f"write the events' own words{words} into {' and '.join(empty)}, or set datafeed_config.outcome_field to "
        "null: then every event counts as a success",
    )
    return problem(CHECK, error)


def _otherwise(job: Job, seen: Mapping[str, int], events: int) -> list[Finding]:
    """Judge other spellings of wanted outcomes: such events are neither scored nor learned, without any error."""
    feed = job.datafeed_config
    other = {
        w: n for w, n in seen.items() if w not in feed.outcomes and w != UNKNOWN and spelled_alike(w, feed.outcomes)
    }
    if not other:
        return []
    share = sum(other.values())
    text = (
        f"{percent(share, events)} of the events have an outcome that looks like {' or '.join(feed.outcomes)} but is "
        f"spelled otherwise: {shares(other, events)}. They are neither scored nor learned"
    )
    hint = (
        f"if they mean the same, add {', '.join(other)} to datafeed_config.score_outcomes and learn_outcomes, or let "
        "an ingest pipeline write one spelling; if not, let the query leave them out"
    )
    if share < events * OTHER_SPELLING:
        return [warning(CHECK, text, hint)]
    return [problem(CHECK, DataError(text, hint=hint))]


def _unscored(job: Job, seen: Mapping[str, int], events: int) -> list[Finding]:
    feed = job.datafeed_config
    left = {
        word: count
        for word, count in seen.items()
        if word not in feed.outcomes
        and word != UNKNOWN
        and meaning(word) != "failure"
        and not spelled_alike(word, feed.outcomes)
    }
    if sum(left.values()) <= events * UNSCORED_WARNED:
        return []
    text = f"{percent(sum(left.values()), events)} of the events are neither scored nor learned: {shares(left, events)}"
    hint = "add the words of successful sign-ins to score_outcomes and learn_outcomes; let the query leave out the rest"
    return [warning(CHECK, text, hint)]


def _without_field(events: int, other: OutcomeField | None) -> Finding:
    every = "no outcome field: every event counts as a success"
    if other is None:
        return ok(CHECK, every)
    failures, successes = other.of("failure"), other.of("success")
    text = (
        f"{every}, but {other.name} says that {percent(sum(failures.values()), events)} of them failed "
        f"({shares(other.words, events)}). They are scored as sign-ins, and make attackers' addresses usual"
    )
    words = ", ".join(successes) or "the words of a successful sign-in"
    hint = (
        f"set datafeed_config.outcome_field: {other.name}, and score_outcomes and learn_outcomes to [{words}]; or let "
        "the query choose successful sign-ins only"
    )
    return problem(CHECK, DataError(text, hint=hint))
