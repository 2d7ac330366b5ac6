# Reads histories: from a CSV file, or from the answer of a Prometheus-compatible server.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import typing as t
from datetime import datetime, timezone

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Series

MAX_POINTS = 5000000
MAX_SERIES = 2000
"""More than this would take hours. Sum them first: what a plan needs is the demand of projects, not of single pods."""

TIME_COLUMNS = ("time", "timestamp")
SERIES_COLUMN = "series"


class History(t.NamedTuple):
    """What was measured of one series, in the order it was given. *project* is empty where none was asked for."""

    name: str
    project: str
    points: list[tuple[float, float | None]]


def from_csv(
    lines: t.Iterable[str],
    source: str,
    value_by: str | None = None,
    series_by: str | None = None,
    project_by: str | None = None,
) -> list[History]:
    """Rows of time, value, and perhaps series and project. Raises ForecastError with the line.

    Times are seconds since 1970 or ISO 8601, in UTC where they name no zone. No value, or NaN, is a gap.
    """
    rows = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        columns = _columns(header, source, value_by, series_by, project_by)
        found: dict[tuple[str, str], History] = {}
        for count, row in enumerate(rows, 1):
            if count > MAX_POINTS:
                raise ForecastError(f"{source}: more than {MAX_POINTS} rows; give a shorter time or longer steps")
            if row:
                _add(found, header, columns, row, f"{source}, line {rows.line_num}")
    except (csv.Error, UnicodeDecodeError) as exc:
        raise ForecastError(f"{source}, line {rows.line_num + 1}: this is no CSV in UTF-8: {exc}") from exc
    return _checked(list(found.values()), source)


def from_series(
    series: t.Iterable[Series], source: str, series_by: str | None = None, project_by: str | None = None
) -> list[History]:
    """The series of a range query. Without *series_by* a series is named by all of its labels."""
    found: dict[str, History] = {}
    for one in series:
        labels = {name: text for name, text in sorted(one.labels.items()) if name != "__name__"}
        every = ",".join(f"{name}={text}" for name, text in labels.items()) or one.labels.get("__name__", "demand")
        name = every if series_by is None else _label(labels, series_by, every, source)
        project = "" if project_by is None else _label(labels, project_by, every, source)
        if name in found:
            raise ForecastError(
                f"{source}: two series are named {name!r:.200} by the label {series_by}; sum them in the query, as in"
                f" sum by ({series_by}) (…)"
            )
        points: list[tuple[float, float | None]] = list(one.points)
        found[name] = History(name, project, points)
    return _checked(list(found.values()), source)


class _Columns(t.NamedTuple):
    time: int
    value: int
    series: int | None
    project: int | None


def _columns(
    header: list[str], source: str, value_by: str | None, series_by: str | None, project_by: str | None
) -> _Columns:
    if len(set(header)) < len(header):
        raise ForecastError(f"{source}: two columns have the same name: {', '.join(header):.300}")

    def place(name: str) -> int:
        if name not in header:
            raise ForecastError(
                f"{source}: there is no column {name!r}; there are {', '.join(header) or 'none'!s:.300}"
            )
        return header.index(name)

    time = next((header.index(name) for name in TIME_COLUMNS if name in header), None)
    if time is None:
        raise ForecastError(f"{source}: the first line has to name the columns, among them time (or timestamp)")
    series = place(series_by) if series_by else header.index(SERIES_COLUMN) if SERIES_COLUMN in header else None
    project = place(project_by) if project_by else None
    others = [index for index in range(len(header)) if index not in (time, series, project)]
    if not value_by and not others:
        raise ForecastError(f"{source}: there is no column with values beside {', '.join(header):.300}")
    return _Columns(time, place(value_by) if value_by else others[0], series, project)


def _add(
    found: dict[tuple[str, str], History], header: list[str], columns: _Columns, row: list[str], where: str
) -> None:
    if len(row) != len(header):
        raise ForecastError(f"{where}: {len(row)} values for {len(header)} columns; was the file cut off?")
    name = header[columns.value] if columns.series is None else row[columns.series].strip()
    project = "" if columns.project is None else row[columns.project].strip()
    known = found.get((name, project))
    if known is None:
        known = found[name, project] = History(name, project, [])
    known.points.append((_time(row[columns.time].strip(), where), _value(row[columns.value].strip(), where)))


def _time(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # Python 3.8 to 3.10 read no Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    except ValueError:
        raise ForecastError(
            f"{where}: {text!r:.60} is no time: seconds since 1970, or as 2026-01-31T12:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _value(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ForecastError(f"{where}: {text!r:.60} is no number; leave a value out where there is none") from None


def _label(labels: dict[str, str], wanted: str, every: str, source: str) -> str:
    if wanted not in labels:
        raise ForecastError(f"{source}: the series {every:.200} has no label {wanted!r}; sum by it in the query")
    return labels[wanted]


def _checked(found: list[History], source: str) -> list[History]:
    if not found:
        raise ForecastError(f"{source}: there is no series in it; look at the query, or at the time that it asks for")
    if len(found) > MAX_SERIES:
        raise ForecastError(
            f"{source}: {len(found)} series are more than {MAX_SERIES}; sum them, as in sum by (account) (…)"
        )
    return found
