"""Where a result names an entity, and what it says without the name."""

from __future__ import annotations

from typing import Any

import pytest

from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.explanation import EndangeredBy, ScoreExplanation
from ipi_es.results.documents.members import Members, Unusual
from ipi_es.results.documents.mentions import ERASED, Names, mentioned_in, says, without_entity
from ipi_es.results.documents.result_documents import Bucket, Influencer, Record, ResultContext, Stamp

CONTEXT = ResultContext("logins", 3_600, "user.name", "source.ip")
STAMP = Stamp("s", "q", 1_780_000_000)
FIELDS = ("user.name", "source.ip")
ANN = Names("ann")
WITH_RULE = Names("ann", rules=frozenset(["ann-vpn"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann was here", True),
        ("It was Ann.", True),
        ("(ann)", True),
        ("annotation", False),
        ("ann@x.example", False),
        ("ann.lee", False),
        ("lee.ann", False),
        ("joann", False),
        ("ann-2", False),
        (None, False),
        (7, False),
    ],
)
def test_a_text_says_a_name_as_a_word(text: object, expected: bool) -> None:
    assert says(text, "ann") is expected


@pytest.mark.parametrize("name", ["a+b", "CORP\\ann", "ann lee", "ann@x.example", "(", "ä"])
def test_a_name_of_any_characters_is_found(name: str) -> None:
    assert says(f"Of {name}, too", name)


def influencer(*names: str, **more: Any) -> dict[str, Any]:
    members = Members(3, 3, 0, 0, names, 5)
    made = Influencer(
        start=0, field="source.ip", value="192.0.2.1", probability=1e-6, influencer_score=9.0, members=members, **more
    )
    return made.document(CONTEXT, STAMP).source


def test_an_addresses_influencer_does_not_name_it_any_more() -> None:
    source = influencer("ann", "bob", "cem")
    assert mentioned_in(source, ANN) == ["top_entities"]
    changed = without_entity(source, ANN, *FIELDS)
    assert changed["top_entities"] == ["bob", "cem"]
    assert "bob, cem and 1 more" in changed["reason"]
    rest = {name for name in source if name not in ("top_entities", "reason")}
    assert all(changed[name] == source[name] for name in rest)
    assert mentioned_in(changed, ANN) == []


def test_a_sentence_without_any_name_left_is_a_sentence() -> None:
    changed = without_entity(influencer("ann"), ANN, *FIELDS)
    assert "192.0.2.1 was used by 3 user.name values (5 events). " in changed["reason"]


def test_a_bucket_does_not_name_it_any_more() -> None:
    bucket = Bucket(
        start=0,
        event_count=9,
        processing_time_ms=1,
        top_entities=("ann", "bob"),
        top_ips=("192.0.2.1",),
        unlearned_entities=("ann",),
        unusual=Unusual(2, 2, 1, 2),
    )
    source = bucket.document(CONTEXT, STAMP).source
    assert mentioned_in(source, ANN) == ["top_entities", "unlearned_entities"]
    changed = without_entity(source, ANN, *FIELDS)
    assert "unlearned_entities" not in changed
    assert "bob and 1 more" in changed["reason"]
    assert "ann" not in str(changed)


def test_a_record_near_its_compromised_account_does_not_name_it_any_more() -> None:
    why = ScoreExplanation(
        "unseen", 0, 100, False, 1.0, 1.0, 1.0, "none", True, 1.0, endangered_by=EndangeredBy("ann", "AS1", 5, 0.01)
    )
    record = Record(
        start=0, entity="bob", ip="192.0.2.1", probability=1e-6, record_score=9.0, actual=0.0, typical=1.0,
        event_count=1, explanation=why,
    )  # fmt: skip
    source = record.document(CONTEXT, STAMP).source
    assert mentioned_in(source, ANN) == ["anomaly_score_explanation.endangered_by.entity"]
    changed = without_entity(source, ANN, *FIELDS)
    assert f"{ERASED} was compromised from AS1" in changed["reason"]
    assert changed["record_score"] == source["record_score"]
    assert "ann" not in str({name: changed[name] for name in changed if name != "partition_field_name"})


def test_a_rule_that_is_deleted_with_it_is_not_named_any_more() -> None:
    source = influencer("bob", suppressed_by="ann-vpn")
    assert mentioned_in(source, ANN) == []
    assert mentioned_in(source, WITH_RULE) == ["suppressed_by"]
    changed = without_entity(source, WITH_RULE, *FIELDS)
    assert changed["suppressed_by"] == ERASED, "a result that a rule hid stays hidden"
    assert "ann-vpn" not in changed["reason"]


@pytest.mark.parametrize(
    ("kind", "found"), [("verdict", ["annotation"]), ("user", ["annotation"]), ("model_snapshot", [])]
)
def test_annotations_of_people_can_name_it(kind: Any, found: list[str]) -> None:
    source = Annotation(kind, 0, 60, "from here on ann is used").document(CONTEXT, STAMP).source
    assert mentioned_in(source, ANN) == found


def test_an_annotation_has_the_name_as_a_verdict_has_it() -> None:
    source = (
        Annotation("verdict", 0, 60, "bob says that ann@x.example uses 192.0.2.0/24.").document(CONTEXT, STAMP).source
    )
    assert mentioned_in(source, ANN) == []
    assert mentioned_in(source, Names("ann", frozenset(["ann@x.example"]))) == ["annotation"]
