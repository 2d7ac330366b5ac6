# Tests of the plots: gaps, single values, hostile labels, and that what is drawn is well-formed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from xml.etree import ElementTree

from ansible_collections.aidc.ops.plugins.plugin_utils._report import charts

FRAME = charts.Frame(start=0, end=1000, step=100, low=0, high=10)
HOSTILE = "</text><script>alert(1)</script>\"'&{{ 7 * 7 }}"


def paths(text: str, name: str) -> list[str]:
    return [
        str(found.get("d"))
        for found in ElementTree.fromstring(text).iter("path")
        if name in str(found.get("class")).split()
    ]


def test_a_gap_in_the_data_is_a_gap_in_the_curve() -> None:
    points = [(0.0, 1.0), (100.0, 2.0), (400.0, 3.0), (500.0, None), (600.0, 4.0), (700.0, 5.0)]
    (curve,) = paths(charts.curves([points], FRAME, [0, 5, 10], "watts", "power"), "curve")
    assert curve == "M0.0,900.0L100.0,800.0M400.0,700.0L400.0,700.0M600.0,600.0L700.0,500.0"
    (area,) = paths(charts.curves([points], FRAME, [0, 5, 10], "watts", "power"), "area")
    assert area.count("Z") == 3 and area.startswith("M0.0,1000L0.0,900.0 100.0,800.0 100.0,1000Z")


def test_what_is_beyond_the_frame_stays_at_its_edge() -> None:
    (curve,) = paths(charts.curves([[(0.0, -5.0), (100.0, 50.0)]], FRAME, [0, 10], "watts", "power"), "curve")
    assert curve == "M0.0,1000.0L100.0,0.0"


def test_several_curves_have_classes_of_their_own_and_no_area() -> None:
    text = charts.curves([[(0.0, 1.0)], [(0.0, 2.0)]], FRAME, [0, 10], "watts", "power")
    assert len(paths(text, "s0")) == len(paths(text, "s1")) == 1 and paths(text, "area") == []


def test_no_values_draw_nothing() -> None:
    assert paths(charts.spark([], FRAME, "x"), "curve") == [""]


def test_marks_have_units_and_the_highest_has_no_text_beyond_the_picture() -> None:
    picture = ElementTree.fromstring(charts.curves([[(0.0, 1.0)]], FRAME, [0, 5, 10], "celsius", "heat"))
    assert [found.text for found in picture.iter("text")] == ["0 °C", "5 °C"]
    assert [found.get("y1") for found in picture.iter("line") if found.get("class") == "grid"] == [
        "100.00%",
        "50.00%",
        "0.00%",
    ]


def test_labels_are_text() -> None:
    text = charts.curves([[(0.0, 1.0)]], FRAME, [0, 10], HOSTILE, HOSTILE)
    picture = ElementTree.fromstring(text)
    assert picture.get("aria-label") == HOSTILE
    assert "<script" not in text and not list(picture.iter("script"))


def test_bars_stay_within_their_rail_and_show_their_limit() -> None:
    assert 'class="fill" width="100.00%"' in charts.filled_bar(1.7) and 'width="0.00%"' in charts.filled_bar(-1)
    assert "limit" in charts.filled_bar(0.5, 0.85) and "limit" not in charts.filled_bar(0.5, 2.0)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    drawn = charts.time_axis(FRAME) + charts.key(3) + charts.filled_bar(0.1) + charts.spark([(0.0, 1.0)], FRAME, "x")
    assert not re.search(r"href|url\(|<style|<script|\bon\w+=", drawn)


def test_bands_lie_behind_the_curve_and_the_limit_is_a_line() -> None:
    frame = charts.Frame(0, 100, 50, 0, 10)
    low, middle, high = ([(0.0, value), (50.0, value), (100.0, value)] for value in (2.0, 5.0, 8.0))
    drawn = ElementTree.fromstring(charts.bands([(low, high)], middle, 9.0, frame, [0, 10], "", HOSTILE))
    assert drawn.get("aria-label") == HOSTILE
    band, curve = drawn.findall("svg/path")
    assert (band.get("class"), band.get("d")) == (
        "band",
        "M0.0,200.0L500.0,200.0L1000.0,200.0L1000.0,800.0L500.0,800.0L0.0,800.0Z",
    )
    assert curve.get("d") == "M0.0,500.0L500.0,500.0 1000.0,500.0"
    (limit,) = (line for line in drawn.findall("line") if line.get("class") == "limit")
    assert limit.get("y1") == limit.get("y2") == "10.00%"
    assert not [
        line
        for line in ElementTree.fromstring(charts.bands([], middle, None, frame, [0, 10], "", "")).iter()
        if line.get("class") == "limit"
    ]
