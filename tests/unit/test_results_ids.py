"""Document ids: the same for the same result, different for any other, and never too long."""

from __future__ import annotations

import re
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.results.documents import ids

PARTS = st.lists(st.text(max_size=8), max_size=4)
JOB = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?", fullmatch=True)


def test_id_is_readable_up_to_the_hash() -> None:
    found = ids.record_id("logins", 1_777_593_600, 3_600, 0, "alice", "198.51.100.7")
    assert re.fullmatch(r"logins_record_1777593600000_3600_0_[0-9a-f]{32}", found)
    assert ids.influencer_id("logins", 0, 60, "user.name", "alice").startswith("logins_influencer_0_60_")
    assert ids.bucket_id("logins", 60, 60).startswith("logins_bucket_60000_60_")
    assert ids.annotation_id("logins", 60, 60, "blind").startswith("logins_annotation_60000_60_")


def test_id_never_changes_between_releases() -> None:
    # results that are in a cluster already are overwritten by this id, or never
    found = ids.record_id("logins", 1_777_593_600, 3_600, 0, "alice", "198.51.100.7")
    assert found == "logins_record_1777593600000_3600_0_eae84970b88e1217f7944a0408a1bbd7"


def test_id_is_the_same_in_another_process() -> None:
    call = "ids.influencer_id('j', 3600, 60, 'user.name', 'älice')"
    code = f"from ipi_es.results.documents import ids; print({call}, end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert other.stdout == ids.influencer_id("j", 3_600, 60, "user.name", "älice")


@given(PARTS, PARTS)
@settings(max_examples=200)
def test_digest_tells_any_two_lists_of_parts_apart(one: list[str], other: list[str]) -> None:
    assert (ids.digest(*one) == ids.digest(*other)) == (one == other)


def test_digest_knows_where_a_part_ends() -> None:
    assert ids.digest("ab", "c") != ids.digest("a", "bc")
    assert ids.digest("a", "") != ids.digest("a")


@given(
    st.tuples(JOB, st.integers(0, 2**32), st.integers(60, 86_400), st.text(max_size=5), st.text(max_size=5)),
    st.tuples(JOB, st.integers(0, 2**32), st.integers(60, 86_400), st.text(max_size=5), st.text(max_size=5)),
)
def test_record_ids_differ_where_anything_differs(one: tuple, other: tuple) -> None:
    def made(job: str, start: int, span: int, entity: str, ip: str) -> str:
        return ids.record_id(job, start, span, 0, entity, ip)

    assert (made(*one) == made(*other)) == (one == other)


def test_detector_is_not_mistaken_for_a_part() -> None:
    assert ids.document_id("j", "record", 0, 60, "7", detector=None) != ids.document_id(
        "j", "record", 0, 60, detector=7
    )


@given(st.text(min_size=1), st.text(), st.text())
def test_id_is_never_longer_than_the_servers_take(job: str, entity: str, ip: str) -> None:
    found = ids.record_id(job * 20, 2**40, 86_400, 0, entity * 100, ip)
    assert len(found.encode()) <= ids.MAX_ID_BYTES


def test_lone_surrogate_in_an_entity_has_an_id() -> None:
    assert ids.digest("\ud800") != ids.digest("?")
