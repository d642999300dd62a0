"""How often a simulated company is called blind without a cause, and how soon with one (`benchmarks/blindness.py`)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HOUR = 3_600
SEED, PEOPLE, DAYS = 300, 200, 49


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "blindness.py"
    spec = importlib.util.spec_from_file_location("benchmark_blindness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("span", [900, HOUR])
def test_quiet_nights_weekends_and_two_holidays_are_not_called(measure: ModuleType, span: int) -> None:
    counts = measure.company(SEED, span, people=PEOPLE, days=DAYS, office=False)
    assert list(measure.changes(counts, span, ("failure",))) == []


def test_every_case_is_called_within_three_buckets_in_working_hours_and_within_a_day_at_night(
    measure: ModuleType,
) -> None:
    counts = measure.company(SEED, HOUR, people=PEOPLE, days=DAYS, office=False)
    found: dict[str, list[int | None]] = {}
    for name, buckets in measure._cases(counts, HOUR):
        found.setdefault(name, []).append(buckets)
    assert len(found) == 2 * len(measure.CASES)
    for name, times in found.items():
        assert None not in times, name
        if name.endswith("at work"):
            assert max(each or 0 for each in times) <= measure.AFTER, name


def test_an_office_without_any_other_sign_ins_is_called_on_a_holiday_once_at_most(measure: ModuleType) -> None:
    counts = measure.company(SEED, HOUR, people=PEOPLE, days=DAYS, office=True)
    assert len(list(measure.changes(counts, HOUR, ("failure",)))) <= 1
