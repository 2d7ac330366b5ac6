# Draws curves and bars as SVG that fits any width and takes its colours from the page.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An outer picture without a view box, so that text keeps its size; an inner one that is stretched, whose strokes keep
their width. Classes name what is drawn; the style sheet of the page gives the colours, for light, dark and paper.

ElementTree writes the text, so whatever a label holds stays a text.
"""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from xml.etree import ElementTree

from ansible_collections.aidc.ops.plugins.plugin_utils._report import units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Points

_WIDE, _HIGH = 1000.0, 1000.0
# More than this much of a step without a value is a gap.
_GAP = 1.5


class Frame(t.NamedTuple):
    """What a picture shows: *start* to *end* (seconds since 1970), a value each *step* seconds, *low* to *high*."""

    start: float
    end: float
    step: float
    low: float
    high: float

    def x(self, moment: float) -> float:
        """Where a time is, from 0 to 1."""
        return (moment - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Where a value is, from 0 at the top to 1."""
        return 1 - (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def curves(series: Sequence[Points], frame: Frame, marks: Sequence[float], unit: str, about: str) -> str:
    """Curves over time with lines at *marks*; the first series has the class s0, the next s1, and so on."""
    picture = _grid(frame, marks, about)
    inner = _stretched(picture)
    for number, points in enumerate(series):
        if len(series) == 1:
            ElementTree.SubElement(inner, "path", {"class": "area", "d": _path(points, frame, area=True)})
        shape = {"class": f"curve s{number}", "d": _path(points, frame), "vector-effect": "non-scaling-stroke"}
        ElementTree.SubElement(inner, "path", shape)
    _label(picture, frame, marks, unit)
    return _written(picture)


def bands(
    pairs: Sequence[tuple[Points, Points]],
    middle: Points,
    limit: float | None,
    frame: Frame,
    marks: Sequence[float],
    unit: str,
    about: str,
) -> str:
    """A curve over its bands, each *(lower, upper)* at the same times without gaps, and a line where *limit* is."""
    picture = _grid(frame, marks, about)
    inner = _stretched(picture)
    for lower, upper in pairs:
        around = [_place(moment, value, frame) for moment, value in [*upper, *reversed(lower)] if value is not None]
        ElementTree.SubElement(inner, "path", {"class": "band", "d": f"M{'L'.join(around)}Z"})
    shape = {"class": "curve s0", "d": _path(middle, frame), "vector-effect": "non-scaling-stroke"}
    ElementTree.SubElement(inner, "path", shape)
    if limit is not None:
        place = _percent(frame.y(limit))
        ElementTree.SubElement(picture, "line", {"class": "limit", "x1": "0", "x2": "100%", "y1": place, "y2": place})
    _label(picture, frame, marks, unit)
    return _written(picture)


def time_axis(frame: Frame) -> str:
    """The times below the curves."""
    picture = _picture("axis", None)
    for moment, words in units.time_marks(frame.start, frame.end):
        place = frame.x(moment)
        anchor = "start" if place < 0.05 else "end" if place > 0.95 else "middle"
        text = ElementTree.SubElement(picture, "text", {"x": _percent(place), "y": "12", "text-anchor": anchor})
        text.text = words
    return _written(picture)


def spark(points: Points, frame: Frame, about: str) -> str:
    """One small curve without marks."""
    picture = _picture("spark", about)
    inner = _stretched(picture)
    ElementTree.SubElement(inner, "path", {"class": "area", "d": _path(points, frame, area=True)})
    shape = {"class": "curve s0", "d": _path(points, frame), "vector-effect": "non-scaling-stroke"}
    ElementTree.SubElement(inner, "path", shape)
    return _written(picture)


def filled_bar(share: float, limit: float | None = None) -> str:
    """A bar that fills *share* of its width, with a line where *limit* is."""
    picture = _picture("bar", None)
    ElementTree.SubElement(picture, "rect", {"class": "rail", "width": "100%", "height": "100%"})
    ElementTree.SubElement(
        picture, "rect", {"class": "fill", "width": _percent(min(max(share, 0), 1)), "height": "100%"}
    )
    if limit is not None and 0 < limit < 1:
        place = _percent(limit)
        ElementTree.SubElement(picture, "line", {"class": "limit", "x1": place, "x2": place, "y1": "0", "y2": "100%"})
    return _written(picture)


def key(number: int) -> str:
    """The sample of a curve for its legend."""
    picture = _picture("key", None)
    shape = {"class": f"curve s{number}", "x1": "0", "x2": "100%", "y1": "50%", "y2": "50%"}
    ElementTree.SubElement(picture, "line", shape)
    return _written(picture)


def _grid(frame: Frame, marks: Sequence[float], about: str) -> ElementTree.Element:
    """A picture with lines at *marks* and at the times of the axis."""
    picture = _picture("plot", about)
    for mark in marks:
        place = _percent(frame.y(mark))
        ElementTree.SubElement(picture, "line", {"class": "grid", "x1": "0", "x2": "100%", "y1": place, "y2": place})
    for moment, _text in units.time_marks(frame.start, frame.end):
        place = _percent(frame.x(moment))
        ElementTree.SubElement(picture, "line", {"class": "tick", "x1": place, "x2": place, "y1": "0", "y2": "100%"})
    return picture


def _label(picture: ElementTree.Element, frame: Frame, marks: Sequence[float], unit: str) -> None:
    """What the lines at *marks* stand for."""
    # Above the curves, and above its line: a margin for them would be too wide on a phone.
    for mark in marks[:-1]:
        text = ElementTree.SubElement(picture, "text", {"x": "0", "y": _percent(frame.y(mark)), "dy": "-4"})
        text.text = units.joined(mark, unit)


def _place(moment: float, value: float, frame: Frame) -> str:
    return f"{_WIDE * frame.x(moment):.1f},{_HIGH * frame.y(value):.1f}"


def _path(points: Points, frame: Frame, area: bool = False) -> str:
    """The parts of a curve between its gaps; with *area* each is closed along the bottom."""
    drawn = []
    for part in _parts(points, frame.step):
        places = [_place(moment, value, frame) for moment, value in part]
        if area:
            first, last = (f"{_WIDE * frame.x(part[place][0]):.1f},{_HIGH:.0f}" for place in (0, -1))
            drawn.append(f"M{first}L{' '.join(places)} {last}Z")
        else:
            # A single value is a line to itself, which round ends make a dot.
            drawn.append(f"M{places[0]}L{' '.join(places[1:] or places)}")
    return "".join(drawn)


def _parts(points: Points, step: float) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = []
    before: float | None = None
    for moment, value in points:
        if value is None:
            before = None
            continue
        if before is None or moment - before > step * _GAP:
            parts.append([])
        parts[-1].append((moment, value))
        before = moment
    return parts


def _picture(name: str, about: str | None) -> ElementTree.Element:
    if about is None:
        return ElementTree.Element("svg", {"class": name, "aria-hidden": "true"})
    return ElementTree.Element("svg", {"class": name, "role": "img", "aria-label": about})


def _stretched(picture: ElementTree.Element) -> ElementTree.Element:
    box = {"width": "100%", "height": "100%", "viewBox": f"0 0 {_WIDE:.0f} {_HIGH:.0f}", "preserveAspectRatio": "none"}
    return ElementTree.SubElement(picture, "svg", {**box, "overflow": "visible"})


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _written(picture: ElementTree.Element) -> str:
    return ElementTree.tostring(picture, encoding="unicode")
