"""Why a record is there, in plain sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ipi_es.results.documents import ids
from ipi_es.results.documents.explanation import ScoreExplanation, cold_start, relative_rarity, sentence

WHY = ScoreExplanation(
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
    typical=(("192.0.2.0/24", 90, 0.75), ("203.0.113.0/24", 24, 0.2), ("2001:db8::/48", 6, 0.0499)),
    longest_shared_prefix=3,
    network="198.51.100.0/24",
    network_new_to_everybody=True,
    entities_sharing_ip=1,
)


def a_record(why: ScoreExplanation | None, **changes: Any) -> dict[str, Any]:
    record = {
        "partition_field_name": "user.name",
        "partition_field_value": "alice",
        "by_field_value": "198.51.100.7",
        "event_count": 2,
        "probability": 0.00025,
        "bucket_span": 3_600,
        "timestamp": 1_780_293_600_000,
        "job_id": "logins",
        "detector_index": 0,
    }
    if why is not None:
        record["anomaly_score_explanation"] = why.to_dict()
    return record | changes


def test_sentence_names_who_where_and_why() -> None:
    assert sentence(a_record(WHY)) == (
        "alice used 198.51.100.7 (2 events). In what was learned before 2026-06-01, alice never used this address; "
        "nobody used 198.51.100.0/24; alice usually comes from 192.0.2.0/24 (75%), 203.0.113.0/24 (20%). "
        "1 event in 4,000 of entities with a comparable history (31–200 events) is as unusual as this."
    )


def test_where_an_entity_usually_comes_from_is_never_a_network_without_weight() -> None:
    text = sentence(a_record(replace(WHY, typical=(("192.0.2.0/24", 1, 1.0), ("203.0.113.0/24", 0, 0.0)))))
    assert "alice usually comes from 192.0.2.0/24 (100%). " in text
    many = tuple((f"192.0.{place}.0/24", 1, 0.04) for place in range(8))
    assert "alice comes from many networks, each less than 5%. " in sentence(a_record(replace(WHY, typical=many)))
    old = a_record(WHY)
    for each in old["anomaly_score_explanation"]["typical"]:
        del each["share"]  # as older versions wrote it
    old["anomaly_score_explanation"]["typical"].append({"network": "10.0.0.0/24", "count": 0})
    assert "usually comes from 192.0.2.0/24 (75%), 203.0.113.0/24 (20%), 2001:db8::/48 (5%). " in sentence(old)


def test_sentence_tells_of_a_shared_address() -> None:
    why = replace(WHY, entities_sharing_ip=60, network_new_to_everybody=False, longest_shared_prefix=19)
    text = sentence(a_record(why))
    assert "60 different user.name values used the address in the same 1h" in text
    assert "a usual address shares its first 19 bits" in text
    assert "no usual address is near it" in sentence(a_record(replace(why, longest_shared_prefix=7)))


def test_sentence_tells_of_an_extrapolated_probability() -> None:
    text = sentence(a_record(replace(WHY, probability_extrapolated=True), probability=1e-20))
    assert "Less than 1 event in a trillion" in text
    assert "estimated beyond what was seen" in text


def test_sentence_tells_of_an_entity_without_history() -> None:
    why = replace(WHY, typical=(), prior_events=0, history_class="no events", longest_shared_prefix=None)
    text = sentence(a_record(why))
    assert "In what was learned before 2026-06-01, nobody used 198.51.100.0/24; there is nothing of alice. " in text
    assert "never" not in text


def test_repeat_names_its_first_finding_and_says_nothing_of_a_first_time() -> None:
    first = ids.record_id("logins", 1_780_261_200, 3_600, 0, "alice", "198.51.100.7")
    held = a_record(WHY, repeat_of=first, held_until=1_780_866_000_000, event_count=1)
    text = sentence(held)
    assert text.startswith("alice used 198.51.100.7 (1 event). In what was learned before 2026-06-01, alice usually")
    assert text.endswith(". Repeat of the finding of 2026-05-31T21:00:00Z. Not learned until 2026-06-07T21:00:00Z.")
    assert not {"never", "nobody", "new for"} & {word for word in ("never", "nobody", "new for") if word in text}
    other = ids.record_id("logins", 1_780_261_200, 3_600, 0, "alice", "198.51.100.9")
    assert "Repeat of the finding of 2026-05-31T21:00:00Z in the same network." in sentence(held | {"repeat_of": other})
    assert "Repeat of an earlier finding." in sentence(held | {"repeat_of": "id"})


def test_of_what_is_allowed_nothing_is_said_to_be_the_first_time() -> None:
    text = sentence(a_record(WHY, suppressed_by="vpn"))
    assert text.startswith("alice used 198.51.100.7 (2 events). In what was learned before 2026-06-01, alice usually")
    assert text.endswith(". Allowed by vpn, so it raises no alarm.")
    assert "nobody" not in text


def test_a_scheduled_event_is_named() -> None:
    text = sentence(a_record(WHY, scheduled_events=["move"]))
    assert text.endswith(". In the scheduled event move, so it raises no alarm and isn't learned.")
    text = sentence(a_record(WHY, scheduled_events=["move", "test"]))
    assert text.endswith(". In the scheduled events move, test, so it raises no alarm and isn't learned.")


def test_events_are_told_by_outcome_where_several_are_scored() -> None:
    outcomes = [{"outcome": "failure", "count": 1_200}, {"outcome": "success", "count": 1}]
    text = sentence(a_record(WHY, outcomes=outcomes, event_count=1_201))
    assert text.startswith("alice used 198.51.100.7 (1,201 events: 1,200 failure, 1 success). ")


def test_sentence_needs_no_explanation() -> None:
    assert sentence(a_record(None)) == "alice used 198.51.100.7 (2 events). 1 event in 4,000 is as unusual as this."


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
    assert "alice has only 3 events. " in text
    assert (
        "1 event in 10,000 of other entities is as unusual as this; "
        "counted as 1 event in 4,000 while too little is known of alice or of the job." in text
    )
    body = why.to_dict()
    assert body["cold_start"] == ["little_history"]
    assert body["calibrated_probability"] == 0.0001
    assert "cold_start" not in replace(why, cold_start=()).to_dict()
