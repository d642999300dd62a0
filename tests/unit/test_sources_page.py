"""docs/sources-checked.md has each variant of each source, and each refused one with the reason that is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import run
from source_cases import CASES, SourceCase, Twins
from source_logs import PEOPLE, SourceLog, sample
from sources_page import PAGE, measured_rows, page

from ipi_es.config.presets.preset import load_preset, preset_names

REFUSED = [name for name in preset_names() if load_preset(name).refused is not None]


def test_every_variant_is_a_case_with_a_row() -> None:
    variants = [(name, each.name) for name in preset_names() for each in load_preset(name).variants]
    assert [(case.source, case.variant) for case in CASES] == variants
    assert list(measured_rows()) == [case.key for case in CASES]


def test_the_page_is_what_its_rows_and_the_refused_sources_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(measured_rows()), "write it anew as it says"


@pytest.mark.parametrize("source", ["ping-one", "gitlab", "zoom", "entra-id-protection", *REFUSED])
def test_what_cannot_be_a_source_is_refused_with_the_reason(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("job", "create", "some-job", "--from", source, "--unchecked")
    assert done.exit_code == 2
    assert str(load_preset(source).refused) in " ".join(done.stderr.split())
    assert not Path("jobs").exists()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_a_log_spells_each_account_as_the_case_says(case: SourceCase) -> None:
    log = SourceLog(case)
    spelled = [log.spelled(person) for person in range(PEOPLE)]
    assert len(set(spelled)) == PEOPLE - (case.twins is Twins.APART)
    assert max(case.sign_in) <= len(sample(case.sample))
    assert all(case.account in sample(case.sample)[number - 1] for number in case.sign_in)
