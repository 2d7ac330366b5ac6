# Makes what the template shows of a panel: a number, curves, bars, a table, a heat map.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every maker takes the panel as vars/main.yml of the role report has it, and gives None where there is no data.

Texts in a view are not escaped: the template does that. Only ``svg`` values are markup, and those ``charts`` made.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.aidc.ops.plugins.plugin_utils._report import charts, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Answers, Series, clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.questions import NOW, OVER_TIME

Panel = Mapping[str, t.Any]
View = dict[str, t.Any]

_CURVES_MAX = 8
_ROWS_MAX = 40
_HEAT_STEPS = 7


@dataclass(frozen=True)
class Material:
    """What a report is made of. Times are seconds since 1970, *step* is seconds."""

    answers: Answers
    start: float
    end: float
    step: float
    ledger: Mapping[str, t.Any] = field(default_factory=dict)
    alerts: Sequence[Mapping[str, t.Any]] = ()
    section: str = ""

    def now(self, panel: Panel, query: str = "value") -> list[Series]:
        """The answers to a query of a panel at the end of the time."""
        return self.answers.series(self.section, NOW, panel["id"], query)

    def over_time(self, panel: Panel, query: str = "value") -> list[Series]:
        """The answers over all of the time, without series that have no value at all."""
        found = self.answers.series(self.section, OVER_TIME, panel["id"], query)
        return [series for series in found if any(value is not None for _moment, value in series.points)]

    def frame(self, low: float, high: float) -> charts.Frame:
        """The frame of a picture over all of the time."""
        return charts.Frame(self.start, self.end, self.step, low, high)


Maker = Callable[[Panel, Material], "View | None"]


def cell(value: float | None, unit: str, tone: str = "") -> View:
    """A number in a table."""
    return {"text": units.joined(value, unit), "number": unit not in ("yes_no", "time"), "tone": tone}


def words(text: t.Any, tone: str = "") -> View:
    """A text in a table."""
    return {"text": clean(text), "number": False, "tone": tone}


def table(head: Sequence[str], rows: Sequence[Sequence[View]], empty: str = "", shown: int = _ROWS_MAX) -> View:
    """A table of at most so many rows."""
    numbers = [bool(rows) and row_cell["number"] for row_cell in rows[0]] if rows else [False] * len(head)
    return {
        "head": [{"text": text, "number": number} for text, number in zip(head, numbers, strict=True)],
        "rows": list(rows[:shown]),
        "more": f"{len(rows) - shown} more are not shown." if len(rows) > shown else "",
        "empty": "" if rows else empty,
    }


def tone(panel: Panel, value: float | None, whole: float | None = None) -> str:
    """bad, warn or nothing: what the limits of a panel or column say about a value."""
    if value is None:
        return ""
    short = whole is not None and value < whole
    for name in ("bad", "warn"):
        low, high = panel.get(f"{name}_below", float("-inf")), panel.get(f"{name}_above", float("inf"))
        if not low <= value <= high or (short and panel.get("short_of_whole") == name):
            return name
    return ""


def stat(panel: Panel, material: Material) -> View | None:
    """One number, on request with the whole that it is a part of, and with its way."""
    found = [series for series in material.now(panel) if series.value is not None]
    if not found:
        return None
    value = found[0].value
    whole = next((series.value for series in material.now(panel, "whole")), None)
    number, unit = units.write(value, panel["unit"])
    return {
        "number": number,
        "unit": unit if whole is None else units.counted(whole, panel["unit"]),
        "whole": "" if whole is None else f"of {units.plain(whole)}",
        "tone": tone(panel, value, whole),
        "note": clean(found[0].labels.get("source", "")),
        "svg": _spark(panel, material) if panel.get("trend") else "",
    }


def _spark(panel: Panel, material: Material) -> str:
    found = material.over_time(panel)
    if not found:
        return ""
    values = _values(found[:1])
    low = 0.0 if min(values) >= 0 else min(values)
    frame = material.frame(low, max(*values, low + 1e-9) * 1.05)
    return charts.spark(found[0].points, frame, f"{panel['title']} over time")


def curves(panel: Panel, material: Material) -> View | None:
    """Curves over time. Of too many, those with the highest values are shown."""
    named = [
        (_curve_name(panel, query, series), series)
        for query in panel["queries"]
        for series in material.over_time(panel, query)
    ]
    if not named:
        return {"empty": panel["empty"]} if material.now(panel, "basis") else None
    left_out = len(named) - _CURVES_MAX
    if left_out > 0:
        highest = sorted(named, key=lambda pair: -max(_values([pair[1]])))[:_CURVES_MAX]
        named = [pair for pair in named if pair in highest]
    if panel.get("by"):
        named.sort(key=lambda pair: natural(pair[0]))
    values = _values([series for _name, series in named])
    low = panel["low"] if "low" in panel else min(0.0, *values)
    marks = units.value_marks(low, max(*values, panel.get("high", values[0])), panel["unit"])
    frame = material.frame(marks[0], marks[-1])
    unit = panel["unit"]
    return {
        "svg": charts.curves(
            [series.points for _name, series in named], frame, marks, unit, f"{panel['title']}, curves over time"
        ),
        "axis_svg": charts.time_axis(frame),
        "legend": [
            {
                "svg": charts.key(number),
                "name": clean(name),
                # The last point may be older than the end: then there is no value now.
                "last": units.joined(_at_end(series, material), unit),
                "lowest": units.joined(min(_values([series])), unit),
                "highest": units.joined(max(_values([series])), unit),
            }
            for number, (name, series) in enumerate(named)
        ],
        "more": f"{left_out} more curves, all lower, are not shown." if left_out > 0 else "",
    }


def _curve_name(panel: Panel, query: str, series: Series) -> str:
    labels = [series.labels[label] for label in panel.get("by") or () if series.labels.get(label)]
    return " ".join(labels) or query.replace("_", " ")


def _values(found: Sequence[Series]) -> list[float]:
    return [value for series in found for _moment, value in series.points if value is not None]


def _at_end(series: Series, material: Material) -> float | None:
    moment, value = series.points[-1]
    return value if material.end - moment <= material.step else None


def bars(panel: Panel, material: Material) -> View | None:
    """A bar for each series, the longest first."""
    found = [(series, series.value) for series in material.now(panel) if series.value is not None]
    if not found and not material.now(panel, "basis"):
        return None
    found.sort(key=lambda pair: (-pair[1], natural(_bar_name(panel, pair[0]))))
    most = panel.get("most", 12)
    longest = panel.get("high") or max([value for _series, value in found], default=1.0) or 1.0
    limit = panel.get("warn_above")
    return {
        "bars": [
            {
                "name": clean(_bar_name(panel, series)),
                "value": units.joined(value, panel["unit"]),
                "svg": charts.filled_bar(value / longest, None if limit is None else limit / longest),
                "tone": tone(panel, value),
            }
            for series, value in found[:most]
        ],
        "more": f"{len(found) - most} more, all shorter, are not shown." if len(found) > most else "",
        "empty": "" if found else panel.get("empty", ""),
    }


def _bar_name(panel: Panel, series: Series) -> str:
    return " ".join(series.labels[label] for label in panel["by"] if series.labels.get(label)) or "(no name)"


def figures(panel: Panel, material: Material) -> View | None:
    """A table: one row for each set of labels, one column for each query."""
    labels = [label["name"] for label in panel["by"]]
    rows: dict[tuple[str, ...], dict[str, float | None]] = {}
    for column in panel["columns"]:
        for series in material.now(panel, column["name"]):
            identity = tuple(series.labels.get(label, "") for label in labels)
            rows.setdefault(identity, {})[column["name"]] = series.value
    if not rows and not material.now(panel, "basis"):
        return None
    order = sorted(rows, key=lambda identity: [natural(part) for part in identity])
    if "sort" in panel:
        order.sort(key=lambda identity: -(rows[identity].get(panel["sort"]) or 0.0))
    cells = [
        [
            *(words(part) for part in identity),
            *(
                cell(
                    rows[identity].get(column["name"]), column["unit"], tone(column, rows[identity].get(column["name"]))
                )
                for column in panel["columns"]
            ),
        ]
        for identity in order
    ]
    head = [*(label["title"] for label in panel["by"]), *(column["title"] for column in panel["columns"])]
    return table(head, cells, panel.get("empty", ""), panel.get("most", _ROWS_MAX))


def heat_map(panel: Panel, material: Material) -> View | None:
    """A table with a row for each node and a colour for each value; of too many nodes those with the highest values."""
    values: dict[str, dict[str, float]] = {}
    for series in material.now(panel):
        if series.value is not None:
            row, column = series.labels.get(panel["row"], ""), series.labels.get(panel["column"], "")
            values.setdefault(row, {})[column] = series.value
    if not values:
        return None
    columns = sorted({column for row in values.values() for column in row}, key=natural)
    most = panel.get("most", _ROWS_MAX)
    shown = sorted(values, key=lambda row: -max(values[row].values()))[:most]
    rows = [
        [words(row), *(_heat(panel, values[row].get(column)) for column in columns)]
        for row in sorted(shown, key=natural)
    ]
    view = table([panel["row_title"], *columns], rows, shown=most)
    left_out = len(values) - len(shown)
    view["more"] = f"{left_out} more nodes, all with lower values, are not shown." if left_out else ""
    steps = (panel["low"] + (panel["high"] - panel["low"]) * step / _HEAT_STEPS for step in range(_HEAT_STEPS))
    view["scale"] = [{"step": step, "text": _whole(value, panel["unit"])} for step, value in enumerate(steps)]
    return view


def _heat(panel: Panel, value: float | None) -> View:
    if value is None:
        return {"text": units.NOTHING, "number": True, "tone": "", "heat": ""}
    share = (value - panel["low"]) / (panel["high"] - panel["low"])
    heat = f"h{min(max(int(share * _HEAT_STEPS), 0), _HEAT_STEPS - 1)}"
    return {"text": _whole(value, panel["unit"]), "number": True, "tone": tone(panel, value), "heat": heat}


def _whole(value: float, unit: str) -> str:
    """A number without its unit and without digits after the point: a heat map has no room for them."""
    return f"{value * 100 if unit == 'ratio' else value:.0f}"


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts gpu2 before gpu10."""
    parts = re.split(r"([0-9]{1,18})", text)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part]
