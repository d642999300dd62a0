from __future__ import annotations

from ipi_es.config import did_you_mean
from ipi_es.config.files.nearest import nearest


def test_a_slip_of_the_fingers_is_found() -> None:
    assert nearest("bucket_spam", ["bucket_span", "detectors"]) == "bucket_span"


def test_case_dashes_and_dots_do_not_count() -> None:
    assert nearest("Source-IP", ["source.ip", "user.name"]) == "source.ip"


def test_nothing_near_gives_none() -> None:
    assert nearest("zebra", ["bucket_span", "detectors"]) is None
    assert did_you_mean("zebra", ["bucket_span"]) == ""


def test_the_proposal_reads_as_the_end_of_a_sentence() -> None:
    assert did_you_mean("usr.name", ["user.name"]) == "; did you mean “user.name”?"
