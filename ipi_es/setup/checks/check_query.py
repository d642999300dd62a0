"""Judge the job's query: does it choose sign-ins alone, and the same events tomorrow? Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.errors import ConfigError
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.facts.facts_actions import Actions

BOUNDS = ("gt", "gte", "lt", "lte", "from", "to")
"""Keys of a range query that hold its limits; `from` and `to` are old names that some servers still accept."""

OTHERS_WARNED = 0.01
"""Share of the learned events above which a warning is given for log-offs, token refreshes and the like."""

_MATH = r"now(?:[+-]\d+[yMwdhHms]|/[yMwdhHms])"
_RELATIVE = re.compile(rf"now|{_MATH}+(?:[+-]\d+[yMwdhHms]|/[yMwdhHms])*")
"""A whole value: `now`, `now-1h`, `now-7d/d`."""

_IN_TEXT = re.compile(rf"(?<![\w.@-])(?:{_MATH}|(?<=[\[{{<>=])\s*now\b|\bTO\s+now\b|now(?=\s+TO\b))")
"""Within the text of a query string: date math, or a bare `now` as the bound of a range."""


def judge_query(job: Job) -> list[Finding]:
    """Report a problem if the query holds relative times; else return no finding."""
    found = list(relative_times(job.datafeed_config.query))
    if not found:
        return []
    shown = some([f"{value} at {place}" for place, value in found])
    text = f"datafeed_config.query has a time that moves with the clock: {shown}"
    hint = (
        "take it out: the job adds the time range of each bucket itself. With it, a backfill and a training see only "
        "what the clock leaves over, and no result can be repeated"
    )
    return [problem("query", ConfigError(text, hint=hint))]


def judge_actions(actions: Actions) -> list[Finding]:
    """Warn of log-offs, token refreshes, challenges and password changes among the events that are learned."""
    others = actions.no_sign_ins
    if not others:
        return []
    number = sum(others.values())
    each = some([f"{word} {percent(count, actions.total)}" for word, count in others.items()])
    text = f"{percent(number, actions.total)} of the learned events are no sign-ins by {actions.name}: {each}"
    if number <= OTHERS_WARNED * actions.total:
        return [ok("query", text)]
    words = json.dumps(list(others), ensure_ascii=False)
    hint = f"put this into datafeed_config.query.bool: must_not: [{{terms: {{{actions.name}: {words}}}}}]"
    return [warning("query", text, hint)]


def relative_times(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place in the query, value) of each time relative to now: limits of ranges, date math in other values."""
    yield from _walk(query, "")


def _walk(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _walk(value, f"{place}.{key}" if place else str(key))
    elif isinstance(node, list | tuple):
        for at, value in enumerate(node):
            yield from _walk(value, f"{place}[{at}]")
    elif isinstance(node, str):
        yield from _of_text(node.strip(), place)


def _of_text(text: str, place: str) -> Iterator[tuple[str, str]]:
    steps = place.split(".")
    is_bound = steps[-1] in BOUNDS and any(step == "range" for step in steps)
    if _RELATIVE.fullmatch(text):
        if is_bound or text != "now":  # a bare “now” elsewhere may be any word
            yield place, text
    elif any(step in {"query_string", "simple_query_string"} for step in steps) and steps[-1] == "query":
        found = _IN_TEXT.search(text)
        if found:
            yield place, text[max(0, found.start() - 10) : found.end() + 10].strip()
