"""The swim-lane's drawing, of made-up answers: what fits into a panel is shown, and can be read."""

from __future__ import annotations

import re
from typing import Any

import pytest
import vl_convert
from console_parts import picture, sources, vega

HOUR = 3_600_000
JULY = 1_782_864_000_000
"""2026-07-01T00:00:00Z, epoch milliseconds."""
LABEL = 12
"""Pixels that a line of text needs."""


def answer(lanes: int, start: int = JULY, hours: int = 24) -> dict[str, Any]:
    """The worst lanes of three times as many, an hour each, as either server would answer."""
    cell = {"span": {"value": 3_600}, "score": {"value": 80.0}}
    buckets = [
        {"key": f"lane-{n:02}", "worst": {"value": 99.0 - n}, "cells": {"buckets": [cell | {"key": start + n * HOUR}]}}
        for n in range(lanes)
    ]
    return {
        "aggregations": {
            "window": {"buckets": [{"from": start, "to": start + hours * HOUR}]},
            "part0": {"total": {"value": 3 * lanes}, "lanes": {"buckets": buckets}},
        }
    }


def drawn(panel: str, given: dict[str, Any], width: int = 1_150, height: int = 340) -> str:
    spec = vega.swimlane(sources.panels()[panel], "kibana")
    return str(picture(spec, given, vl_convert.vega_to_svg, width=width, height=height))


def names(svg: str) -> list[str]:
    return re.findall(r">(lane-\d+)<", svg)


@pytest.mark.parametrize("height", [110, 150, 220, 340])
def test_lanes_are_as_many_as_can_be_read_and_the_worst(height: int) -> None:
    svg = drawn("lanes-jobs", answer(20), height=height)
    shown = names(svg)
    assert shown == [f"lane-{n:02}" for n in range(len(shown))]
    assert 3 <= len(shown) <= max(height // LABEL, 3)
    assert f"worst {len(shown)} of about 60 jobs" in svg


def test_a_high_panel_has_all_twenty() -> None:
    assert len(names(drawn("lanes-entities", answer(20)))) == 20


def test_a_narrow_panel_says_how_many_there_are_in_few_words() -> None:
    svg = drawn("lanes-entities", answer(20), width=480)
    assert ">20 of 60<" in svg
    assert "worst 20" not in svg


def test_the_first_of_july_is_written_as_a_day_in_any_zone() -> None:
    svg = drawn("lanes-entities", answer(3, JULY - 48 * HOUR, hours=240))
    assert ">Jul 01<" in svg
    assert ">July<" not in svg


def test_an_empty_panel_says_so() -> None:
    svg = drawn("lanes-jobs", answer(0), height=150)
    assert "No results in this time range" in svg
    assert ">0 jobs<" in svg


def cells(svg: str) -> list[tuple[str, float, float]]:
    """(colour, left edge, height) of each cell."""
    (group,) = re.findall(r'<g class="mark-rect role-mark cell"[^>]*>(.*?)</g>', svg, flags=re.DOTALL)
    shapes = re.findall(r'd="M([\d.]+),[\d.]+h[\d.]+v([\d.]+)[^"]*" fill="(#\w{6})"', group)
    return [(fill, float(left), float(high)) for left, high, fill in shapes]


def test_one_row_does_not_fill_the_panel() -> None:
    assert all(high <= 26 for _, _, high in cells(drawn("lanes-entities", answer(1))))


@pytest.mark.parametrize("width", [480, 1_150])
def test_time_axes_of_the_lanes_line_up_however_long_the_names(width: int) -> None:
    long = answer(1)
    long["aggregations"]["part0"]["lanes"]["buckets"][0]["key"] = "a-very-long-name-of-a-job-" * 4
    assert cells(drawn("lanes-jobs", answer(1), width=width)) == cells(drawn("lanes-entities", long, width=width))


def test_repeats_are_neither_red_nor_drawn_as_zero() -> None:
    given = answer(1)
    cell = given["aggregations"]["part0"]["lanes"]["buckets"][0]["cells"]["buckets"][0]
    other = {**cell, "key": cell["key"] + HOUR, "repeats": {"doc_count": 2}, "fresh": {"score": {"value": None}}}
    new = {**other, "key": cell["key"] + 2 * HOUR, "fresh": {"score": {"value": 60.0}}}
    given["aggregations"]["part0"]["lanes"]["buckets"][0]["cells"]["buckets"] += [other, new]
    assert [fill for fill, _, _ in cells(drawn("lanes-entities", given))] == ["#fe5050", "#b9a2d4", "#fba740"]
