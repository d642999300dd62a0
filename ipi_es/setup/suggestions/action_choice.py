"""Choose which events of a log are sign-ins, and which of them succeeded."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import percent
from ipi_es.setup.checks.check_outcomes import OutcomeField, shares
from ipi_es.setup.contents.action_words import action
from ipi_es.setup.contents.outcome_words import meaning
from ipi_es.setup.facts.document_sample import Scope
from ipi_es.setup.facts.facts_actions import Actions, action_field, count_actions
from ipi_es.setup.facts.facts_outcomes import failure_field
from ipi_es.setup.suggestions.draft import Draft
from ipi_es.setup.suggestions.log_sample import LogSample

MOST_LEFT_OUT = 0.99
"""Share of the events above which nothing is left out: the few sign-ins may be another log's."""

SHOWN = 4
"""Words that a note names."""


def choose_outcome(cluster: Cluster, draft: Draft, log: LogSample, scope: Scope) -> OutcomeField | None:
    """Set the field that says which sign-ins failed, and its words of success."""
    outcome = failure_field(cluster, draft.job, scope, log.sample)
    if outcome is None:
        draft.notes.append("no field says which sign-ins failed: every event counts as a success")
        return None
    successes = sorted(outcome.of("success")) or sorted(
        word for word in outcome.words if action(outcome.name, word) == "sign-in" and meaning(word) != "failure"
    )
    if successes:
        draft.feed.update(outcome_field=outcome.name, score_outcomes=successes, learn_outcomes=successes)
        text = f"outcomes: {outcome.name} has {shares(outcome.words, sum(outcome.words.values()))}"
        if not outcome.of("success"):
            text += f"; a success is {' or '.join(successes)}"
        draft.notes.append(text)
    else:
        draft.notes.append(f"{outcome.name} says which events failed; let the query leave them out")
    return outcome


def choose_actions(cluster: Cluster, draft: Draft, log: LogSample, scope: Scope) -> None:
    """Let the query leave out what is clearly no sign-in, with figures; what isn't clear is kept, and said."""
    name = action_field(log.sample, log.types)
    outcome = draft.feed["outcome_field"]
    if name is None or name == outcome:  # an action that is no outcome of a sign-in isn't scored
        return
    actions = count_actions(cluster, scope, name, outcome)
    others, signs = actions.no_sign_ins, actions.of("sign-in")
    if not others:
        return
    if sum(others.values()) > MOST_LEFT_OUT * actions.total:
        draft.notes.append(f"{name} has hardly any sign-ins ({_some(actions, signs)}): nothing is left out, look at it")
        return
    draft.leave_out(name, list(others))
    draft.notes.append(f"no sign-ins: {name} {_some(actions, others)}: left out by the query")
    kept = {word: count for word, count in actions.events.items() if word not in others}
    unsure = {word: count for word, count in kept.items() if word not in signs}
    draft.notes.append(f"kept as sign-ins: {_with_outcomes(actions, signs, draft)}")
    if unsure:
        draft.notes.append(f"kept, since its words don't say what it is: {_some(actions, unsure)}")


def _some(actions: Actions, words: dict[str, int]) -> str:
    return some([f"{word} {percent(count, actions.total)}" for word, count in words.items()], SHOWN)


def _with_outcomes(actions: Actions, words: dict[str, int], draft: Draft) -> str:
    """Name actions with their shares, and the share of each that succeeded, where the log has outcomes."""
    wanted = draft.feed.get("score_outcomes", ())
    found = []
    for word, count in words.items():
        text = f"{word} {percent(count, actions.total)}"
        if outcomes := actions.outcomes.get(word):
            good = sum(number for outcome, number in outcomes.items() if outcome in wanted)
            text += f" ({percent(good, count)} {' or '.join(wanted)})"
        found.append(text)
    return some(found, SHOWN)
