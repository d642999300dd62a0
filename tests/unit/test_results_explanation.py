"""Why a record is there, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ipi_es.results.explanation import Explanation, cold_start, relative_rarity, sentence

WHY = Explanation(
    history_class="31–200 events",
    prior_events=120,
    calibration_size=9_999,
    probability_extrapolated=False,
    c1=88.0,
    c2=100.0,
    c3=91.5,
    bound="rank",
    first_occurrence=True,
    relative_rarity=1.0,
    typical=(("192.0.2.0/24", 1_100), ("203.0.113.0/24", 20)),
    longest_shared_prefix=3,
    network="198.51.100.0/24",
    network_new_to_everybody=True,
    entities_sharing_ip=1,
)


def a_record(why: Explanation | None, **changes: Any) -> dict[str, Any]:
    record = {
        "partition_field_name": "user.name",
        "partition_field_value": "alice",
        "by_field_value": "198.51.100.7",
        "event_count": 2,
        "probability": 0.00025,
        "bucket_span": 3_600,
    }
    if why is not None:
        record["anomaly_score_explanation"] = why.to_dict()
    return record | changes


def test_sentence_names_who_where_and_why() -> None:
    assert sentence(a_record(WHY)) == (
        "alice used 198.51.100.7 for the first time (2 events): nobody had used 198.51.100.0/24 before; "
        "alice usually comes from 192.0.2.0/24 (1,100), 203.0.113.0/24 (20); "
        "1 event in 4,000 of entities with 31–200 events before is as unusual as this."
    )


def test_sentence_tells_of_a_shared_address() -> None:
    why = replace(WHY, entities_sharing_ip=60, network_new_to_everybody=False, longest_shared_prefix=19)
    text = sentence(a_record(why))
    assert "60 different user.name values used the address in the same 1h" in text
    assert "the address shares its first 19 bits with a usual one" in text
    assert "nothing near it is usual" in sentence(a_record(replace(why, longest_shared_prefix=7)))


def test_sentence_tells_of_an_extrapolated_probability() -> None:
    text = sentence(a_record(replace(WHY, probability_extrapolated=True), probability=1e-20))
    assert "less than 1 event in a trillion" in text
    assert "estimated beyond what was seen" in text


def test_sentence_tells_of_an_entity_without_history() -> None:
    why = replace(WHY, typical=(), prior_events=0, history_class="no events", longest_shared_prefix=None)
    assert "alice has no history yet" in sentence(a_record(why))


def test_sentence_tells_of_repeats_and_of_what_is_allowed() -> None:
    text = sentence(a_record(WHY, repeat_of="id", suppressed_by="vpn", event_count=1))
    assert text.endswith("; already reported, so it raises nothing again; allowed by vpn.")
    assert "(1 event)" in text


def test_of_what_is_allowed_nothing_is_said_to_be_the_first_time() -> None:
    text = sentence(a_record(WHY, suppressed_by="vpn"))
    assert text.startswith("alice used 198.51.100.7 (2 events): no use of 198.51.100.0/24 was learned; ")
    assert text.endswith("; allowed by vpn.")


def test_sentence_needs_no_explanation() -> None:
    assert sentence(a_record(None)) == "alice used 198.51.100.7 (2 events): 1 event in 4,000 is as unusual as this."


@pytest.mark.parametrize(
    ("probability", "words"), [(0.5, "1 event in 2 "), (0.0135, "1 event in 74 "), (1e-6, "1 event in 1,000,000 ")]
)
def test_rarity_is_told_in_round_numbers(probability: float, words: str) -> None:
    assert words in sentence(a_record(None, probability=probability))


def test_floor_is_what_the_calibration_sample_can_give() -> None:
    assert WHY.probability_floor == 1e-4
    assert WHY.to_dict()["probability_floor"] == 1e-4


def test_unknown_parts_are_left_out() -> None:
    body = replace(WHY, longest_shared_prefix=None, network=None).to_dict()
    assert not {"longest_shared_prefix", "network"} & set(body)


def test_relative_rarity_is_one_for_what_was_never_used() -> None:
    assert relative_rarity(0, 120) == relative_rarity(0, 0) == 1.0
    assert relative_rarity(30, 120) == 0.75
    assert relative_rarity(120, 120) == 0.0


def test_what_little_is_known_of_is_named() -> None:
    assert cold_start(0, young=False, new_network=True) == ("unseen_entity", "unseen_network")
    assert cold_start(1, young=True, new_network=False) == ("young_job", "little_history")
    assert cold_start(4, young=False, new_network=False) == ()


def test_little_history_and_what_it_holds_back_are_said() -> None:
    why = replace(WHY, prior_events=3, cold_start=("little_history",), calibrated_probability=0.0001)
    text = sentence(a_record(why))
    assert "alice has only 3 events of history" in text
    assert "held back while it warms up (1 event in 10,000 by what is known of other entities)" in text
    body = why.to_dict()
    assert body["cold_start"] == ["little_history"]
    assert body["calibrated_probability"] == 0.0001
    assert "cold_start" not in replace(why, cold_start=()).to_dict()
