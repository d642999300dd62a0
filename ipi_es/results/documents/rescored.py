"""Results of a rescored bucket: which of them may alert again, and which are kept where events vanished.

A result that may alert gets a new ``event.ingested``. Alert queries look back on this field and compare the initial
score. An earlier result keeps its ``event.ingested``, else each late event would repeat known alerts; unless it raised
no alarm before and raises one now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipi_es.results.documents.ids import belongs_to_new_finding
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.words import SCORE_FIELDS, raises_alarm
from ipi_es.scoring.probability import severity

MOMENT = "event.ingested"

_OF_THE_SCORE = (
    "anomaly_score", "initial_anomaly_score", "bucket_influencers", "top_entities", "top_ips", "unusual_pair_count",
    "unusual_entity_count", "unusual_ip_count", "unlearned_pair_count", "reason",
)  # fmt: skip
"""Fields that a bucket keeps where its score would fall because events vanished."""


def is_news(new: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Return whether a result (its source) may alert again: it is new, was interim, or has a higher severity now.

    Compares initial scores: a renormalization in between raised no alert. A result that was a repeat or allowed before,
    and is neither now, may alert too.
    """
    if before is None or before["is_interim"]:
        return True
    if raises_alarm(new) and not raises_alarm(before):
        return True
    initial = f"initial_{SCORE_FIELDS[new['result_type']]}"
    return severity(new[initial]) > severity(before[initial])


def with_moments(
    made: list[ResultDocument], stored: Mapping[str, Mapping[str, Any]]
) -> tuple[list[ResultDocument], int]:
    """Return (documents, number of records that are new alarms).

    A result that may not alert again keeps its ``event.ingested`` from ``stored`` (``{id: source}``).
    """
    found, alarms = [], 0
    for each in made:
        before = stored.get(each.id)
        if before is not None and not is_news(each.source, before):
            found.append(ResultDocument(each.index, each.id, {**each.source, MOMENT: before[MOMENT]}))
            continue
        found.append(each)
        alarms += each.source["result_type"] == "record" and raises_alarm(each.source)
    return found, alarms


def beside_stored(
    made: list[ResultDocument], stored: Mapping[str, Mapping[str, Any]]
) -> tuple[list[ResultDocument], list[ResultDocument]]:
    """Return (documents to write, documents that stay) of a bucket that lost events: no finding is deleted.

    ``made`` ends with the bucket. A stored result stays unless it may alert again (:func:`is_news`); the bucket's score
    never falls, and its counts cover all its results.
    """
    *results, bucket = made
    new = [each for each in results if is_news(each.source, stored.get(each.id))]
    written = {each.id for each in new}
    kept = [
        ResultDocument(bucket.index, place, dict(source))
        for place, source in stored.items()
        if place not in written and place != bucket.id
    ]
    sources = [each.source for each in (*new, *kept)]
    records = [each for each in sources if each["result_type"] == "record"]
    alarms = [each for each in records if raises_alarm(each)]
    new_records = [each for each in records if raises_alarm(each) or belongs_to_new_finding(each)]
    before, source = stored.get(bucket.id, {}), dict(bucket.source)
    if before.get("anomaly_score", 0.0) > source["anomaly_score"]:
        source |= {name: before[name] for name in _OF_THE_SCORE if name in before}
    source |= {
        "max_record_score": max((each["record_score"] for each in alarms), default=0.0),
        "record_count": len(records),
        "new_record_count": len(new_records),
        "influencer_count": len(sources) - len(records),
        "omitted_record_count": max(source["omitted_record_count"], before.get("omitted_record_count", 0)),
    }
    return [*new, ResultDocument(bucket.index, bucket.id, source)], kept
