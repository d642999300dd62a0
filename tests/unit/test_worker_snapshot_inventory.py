"""The snapshots and quantiles that a cleanup deletes: decided purely."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.state.blobs import BlobInfo
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import JobState
from ipi_es.worker.training.snapshot_inventory import SnapshotInventory, past_keeping
from ipi_es.worker.upkeep.cleanup import kept_quantiles

DAY, HOUR = 86_400, 3_600
NOW = 1_780_012_800 - 1_780_012_800 % DAY + 12 * HOUR


def made(*hours_ago: float) -> list[BlobInfo]:
    return [BlobInfo("job", f"{hours:g}h", "network", int(NOW - hours * HOUR), 1, "") for hours in hours_ago]


def gone(*hours_ago: float, days: int = 10, used: tuple[str, ...] = ()) -> list[str]:
    return past_keeping(made(*hours_ago), days, used)


def test_all_of_the_first_day_stay() -> None:
    assert gone(0, 1, 2, 23, 24) == []


def test_after_the_first_day_the_last_of_each_day_stays() -> None:
    assert gone(0, 30, 31, 35, 54, 60) == ["31h", "35h", "60h"]


def test_those_older_than_is_kept_go_and_the_age_counts_from_the_newest() -> None:
    assert gone(0, 240, 241) == ["241h"]
    assert gone(1_000, 1_240, 1_241) == ["1241h"]


def test_the_ones_in_use_stay_however_old() -> None:
    assert gone(0, 31, 35, 900, used=("35h", "900h")) == []
    assert gone() == []


def times(*hours_ago: float) -> dict[str, int]:
    return {f"{hours:g}h": int(NOW - hours * HOUR) for hours in hours_ago}


def kept(*hours_ago: float, current: str | None = "0h", days: int = 10, starts: tuple[int, ...] = ()) -> set[str]:
    return kept_quantiles(times(*hours_ago), current, NOW, days, starts)


def test_quantiles_of_the_last_day_stay_and_one_of_each_before() -> None:
    assert kept(0, 1, 23, 24, 36, 37, 60, 61) == {"0h", "1h", "23h", "36h", "60h"}


def test_quantiles_of_midnight_are_the_last_of_the_day_before() -> None:
    assert "36h" in kept(0, 36, 40), "36 hours before noon is midnight"


def test_quantiles_older_than_snapshots_are_kept_go() -> None:
    assert kept(0, 239, 240, 241) == {"0h", "239h"}


def test_quantiles_with_which_a_snapshot_began_stay() -> None:
    assert kept(0, 900, 901, 902, starts=(NOW - 900 * HOUR, NOW - 5_000 * HOUR)) == {"0h", "900h"}


def test_quantiles_in_force_stay_whatever_their_time() -> None:
    assert kept(0, 900, current="900h") == {"0h", "900h"}
    assert kept(0, current="gone") == {"0h"}
    assert kept_quantiles({}, "0h", NOW, 10, [NOW]) == set()


@given(st.lists(st.integers(0, 2_000), unique=True, max_size=40), st.integers(1, 30))
def test_cleaning_twice_is_cleaning_once(hours: list[int], days: int) -> None:
    stay = kept(*hours, days=days)
    assert kept(*[hour for hour in hours if f"{hour:g}h" in stay], days=days) == stay
    left = [hour for hour in hours if f"{hour:g}h" not in past_keeping(made(*hours), days, ())]
    assert past_keeping(made(*left), days, ()) == []
    assert (min(hours) in left) if hours else not left


@pytest.mark.parametrize("current", [None, "0h"])
def test_without_a_checkpoint_the_age_counts_from_the_newest_quantiles(current: str | None) -> None:
    assert kept_quantiles(times(100, 101, 140), current, None, 10, []) == {"100h", "101h", "140h"}


def test_history_that_the_state_points_to_is_not_ownerless_when_its_snapshot_is_gone(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    for snapshot in ("used", "killed"):
        base = f"history-{snapshot}"
        blobs.write("job", base, "history_base", b"base", created=NOW)
        blobs.write("job", f"{base}-7", "history_delta", b"delta", created=NOW, attributes={"base": base})
    state = JobState("job", snapshot_id="used", history_id="history-used+8")
    assert {each.id for each in SnapshotInventory.of("job", blobs, state).ownerless()} == {
        "history-killed",
        "history-killed-7",
    }
    assert len(SnapshotInventory.of("job", blobs, JobState("job")).ownerless()) == 4
