# Where devices and their series come from: a CSV file, or the answers of a Prometheus and the cases of the ledger.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import math
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError

from .kinds import Kind
from .series import DAY, Device, Series, watched

_NEEDED = ("node", "device", "model", "time", "failed")
# A day that is missing in a file of days is bridged; a week is not.
_CSV_HOLD = 2 * DAY

Points = t.List[t.Tuple[float, float]]
Key = t.Tuple[str, str]


def _moment(text: str) -> float:
    """Seconds since 1970, from such seconds or from a date, with or without a time; UTC if no zone is given."""
    try:
        moment = float(text)
    except ValueError:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        moment = (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    if not math.isfinite(moment):
        raise ValueError(f"{text!r} is no time")
    return moment


def from_csv(path: Path, kind: Kind) -> list[Device]:
    """Read rows of node, device, model, time, failed (0 or 1: it failed then) and a column for each measure that is
    known. An empty cell is an unknown value. Raises PredictionError with the line.
    """
    counters = {measure.name: measure.counter for measure in kind.measures}
    points: dict[Key, dict[str, Points]] = {}
    seen: dict[Key, Points] = {}
    models: dict[Key, str] = {}
    failed: dict[Key, float] = {}
    line = 1
    try:
        with path.open(encoding="utf-8", newline="") as source:
            reader = csv.DictReader(source, strict=True)
            columns = reader.fieldnames or []
            missing = [name for name in _NEEDED if name not in columns]
            if missing or not set(columns) & set(counters):
                raise PredictionError(
                    f"{path}: the first line has to name {', '.join(_NEEDED)} and at least one of"
                    f" {', '.join(counters)}; it has {', '.join(columns) or 'nothing'}"
                )
            for row in reader:
                line = reader.line_num
                key = (row["node"] or "", row["device"] or "")
                moment = _moment(row["time"] or "")
                own = points.setdefault(key, {})
                for name in counters:
                    if row.get(name):
                        own.setdefault(name, []).append((moment, float(row[name] or "")))
                seen.setdefault(key, []).append((moment, 0.0))
                models[key] = row["model"] or ""
                if (row["failed"] or "0") not in ("0", "1"):
                    raise ValueError(f"failed is {row['failed']!r:.40}, not 0 or 1")
                if row["failed"] == "1":
                    failed[key] = min(moment, failed.get(key, moment))
    except OSError as exc:
        raise PredictionError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (csv.Error, UnicodeDecodeError, ValueError, OverflowError) as exc:
        raise PredictionError(f"{path}, line {line}: {exc}") from exc
    found = []
    for key, own in points.items():
        series = {name: Series(values, counters[name], _CSV_HOLD) for name, values in own.items()}
        times = Series(seen[key]).times
        end = failed.get(key, times[-1])
        found.append(Device(key[0], key[1], models[key], series, times[0], end, failed.get(key)))
    return found


def assemble(
    kind: Kind,
    answers: t.Mapping[str, t.Iterable[tuple[t.Mapping[str, str], Points]]],
    models: t.Mapping[Key, str],
    failures: t.Mapping[Key, t.Sequence[float]],
    hold: float,
) -> list[Device]:
    """Devices from what a server gave for each measure: pairs of labels and points.

    *models* and *failures* are by node and device as the labels name them. The history of a device ends with its first
    failure within it: what comes after is a device that was repaired, or another one in its place.
    """
    points: dict[Key, dict[str, Points]] = {}
    for name, answer in answers.items():
        for labels, values in answer:
            node, device = labels.get("instance", ""), labels.get(kind.label, "")
            if node and device:
                points.setdefault((node, device), {}).setdefault(name, []).extend(values)
    counters = {measure.name: measure.counter for measure in kind.measures}
    found = []
    for key in sorted(points):
        series = {name: Series(values, counters[name], hold) for name, values in points[key].items()}
        span = watched(series)
        if span is None:
            continue
        begin, end = span
        # A device that fails is often gone from the metrics by then.
        first = min((moment for moment in failures.get(key, ()) if begin < moment <= end + 2 * DAY), default=None)
        last = end if first is None else first
        found.append(Device(key[0], key[1], models.get(key, ""), series, begin, last, first))
    return found
