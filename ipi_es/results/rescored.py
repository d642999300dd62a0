"""A bucket that was scored again: which of its results are news, and so get a new moment for alerts to see.

Alert queries look back on ``event.ingested`` and go by the initial score. A result that was there before keeps its
moment, or each late event would alert anew on what everybody knows; unless it was no alarm then and is one now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipi_es.results.documents import ResultDocument
from ipi_es.results.words import SCORE_FIELDS
from ipi_es.scoring.probability import severity

MOMENT = "event.ingested"
NO_ALARM = frozenset({"repeat_of", "suppressed_by"})
"""A result with one of these is no alarm."""


def is_news(new: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Whether a result (its source) must be looked at anew: it wasn't there, or is of a higher severity now.

    By initial scores: a renormalization in between alerted nobody. A repeat that is none any longer is news too.
    """
    if before is None or before["is_interim"]:
        return True
    if NO_ALARM & before.keys() and not NO_ALARM & new.keys():
        return True
    initial = f"initial_{SCORE_FIELDS[new['result_type']]}"
    return severity(new[initial]) > severity(before[initial])


def with_moments(
    made: list[ResultDocument], stored: Mapping[str, Mapping[str, Any]]
) -> tuple[list[ResultDocument], int]:
    """(documents, how many records are new alarms).

    What is no news keeps the moment that it has in ``stored`` (``{id: source}``).
    """
    found, alarms = [], 0
    for each in made:
        before = stored.get(each.id)
        if before is not None and not is_news(each.source, before):
            found.append(ResultDocument(each.index, each.id, {**each.source, MOMENT: before[MOMENT]}))
            continue
        found.append(each)
        alarms += each.source["result_type"] == "record" and not NO_ALARM & each.source.keys()
    return found, alarms
