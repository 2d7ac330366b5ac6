#!/usr/bin/env python3
# Whether a trained predictor tells failing disks better than the trend rules do, on a public record of real failures.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/predictor.py FILE [--every 4] [--part 1] [--step 7] [--horizon 30] [--json]

FILE is the data set ``hds`` of the R package dynamichazard (data/hds.rda; GPL-2; made from Backblaze's daily SMART
records of 2013-04-10 to 2016-09-30, which are free to use with the source named, and not for sale), which has a row
for every change of a SMART attribute of 87,068 disks, 5,326 of which failed. Reading it needs the package rdata. FILE
may as well be a CSV file as the module failure_forecast reads it. The data is not part of this collection.

Rows of hds are in hours of power-on time; a row's date is reckoned back from the disk's last record. Disks whose hours
and days differ by more than three days between first and last record are left out, because their dates are not known.

A share of the disks is taken by the checksum of their serial number (--every 4: a quarter), whatever became of them.
--part says which share: the method was settled on disks of part 0, so what is reported are others.
The last 30 % of the time is held out. Four ways are judged there by the same measure (alarms stay open for the horizon;
right: the disk fails in it; wrong: it lives through it):

* the trend rules of the role prometheus, as shipped (they watch wear and spare blocks; these disks report neither);
* the rule GpuRowRemapsAccelerate on the disks' counters in place of a GPU's rows, beside them;
* ``any counter above zero``, the rule of thumb;
* the predictor: the better of two small models, trained and chosen on the time before.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible/collections"))

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._predict import backtest, history, trends
from ansible_collections.aidc.ops.plugins.module_utils._predict.judge import Outcome, judge
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device, Series

ATTRIBUTES = {
    "smart_5": "reallocated",
    "smart_187": "reported_uncorrectable",
    "smart_188": "timeouts",
    "smart_197": "pending",
    "smart_198": "offline_uncorrectable",
}
COLUMNS = ("serial_number", "model", "min_date", "max_date", "min_hours", "max_hours", "tstart", "fails", *ATTRIBUTES)
TITLES = ("precision", "recall", "median lead, days", "alarms a device-year", "right", "wrong", "open", "failures")


def taken(serial: str, every: int, part: int) -> bool:
    return zlib.crc32(serial.encode()) % every == part


def hds(path: Path, every: int, part: int) -> tuple[list[Device], int]:
    """The disks of the data set, and how many were left out because their dates are not known."""
    try:
        import rdata
    except ImportError as exc:
        raise PredictionError(f"{path}: reading R's data needs the package rdata; install it with pip") from exc
    import warnings

    with warnings.catch_warnings():
        # Dates stay numbers of days, which is what is wanted.
        warnings.simplefilter("ignore")
        frame = rdata.read_rda(str(path))["hds"]
    counters = {measure.name: measure.counter for measure in KINDS["drive"].measures}
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for row in zip(*(frame[name].tolist() for name in COLUMNS), strict=True):
        if taken(row[0], every, part):
            rows.setdefault(row[0], []).append(row)
    devices, unknown = [], 0
    for serial, own in rows.items():
        _serial, model, first, last, low, high, *_rest = own[0]
        if abs((high - low) / 24 - (last - first)) > 3:
            unknown += 1
            continue
        end = last * DAY
        points: dict[str, list[tuple[float, float]]] = {name: [] for name in ATTRIBUTES.values()}
        for row in own:
            moment = end - (high - row[6]) * 3600
            for name, value in zip(ATTRIBUTES.values(), row[8:], strict=True):
                if value is not None and math.isfinite(value):
                    points[name].append((moment, value))
        series = {name: Series(values, counters[name]) for name, values in points.items() if values}
        failed = end if any(row[7] == 1 for row in own) else None
        # Its last record is of the day on which it failed; what it says is known on the day itself.
        devices.append(Device("", serial, model, series, end - (high - low) * 3600, end, failed))
    return devices, unknown


def thumb(devices: list[Device], result: backtest.Result, step: float) -> Outcome:
    """Any counter above zero, on the time held out."""
    report = result.report
    rules = {name: trends.above(name, 0) for name in result.model.measures if name != "timeouts"}
    when = [report["begin"] + number * step for number in range(int((report["end"] - report["begin"]) / step) + 1)]
    flags = backtest.flagged_by(rules, devices, [moment for moment in when if moment >= report["held_out_from"]])
    horizon = report["horizon_days"] * DAY
    return judge(devices, flags, report["held_out_from"], report["end"] + 1, horizon)


def cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def table(outcomes: dict[str, Outcome]) -> str:
    lines = [["way", *TITLES], ["---"] * (len(TITLES) + 1)]
    for way, one in outcomes.items():
        figures = [cell(one.precision, 3), cell(one.recall, 3), cell(one.lead_days, 1)]
        figures += [cell(one.alarms_per_device_year, 3), *map(str, (one.right, one.wrong, one.open, one.failures))]
        lines.append([way, *figures])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a trained predictor of disk failures with the trend rules.")
    parser.add_argument("file", type=Path, help="hds.rda, or a CSV file as failure_forecast reads it")
    parser.add_argument("--kind", choices=sorted(KINDS), default="drive", help="kind of device in a CSV file")
    parser.add_argument("--every", type=int, default=4, help="take one of so many disks of hds.rda")
    parser.add_argument("--part", type=int, default=1, help="which share of the disks, from 0; 0 is for development")
    parser.add_argument("--step", type=float, default=7, help="days between two looks at each device")
    parser.add_argument("--horizon", type=float, default=30, help="days within which a device is to fail")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")
    options = parser.parse_args()
    begun, unknown = time.monotonic(), 0
    try:
        if options.file.suffix == ".rda":
            devices, unknown = hds(options.file, options.every, options.part)
        else:
            devices = history.from_csv(options.file, KINDS[options.kind])
        result = backtest.train(options.kind, devices, time.time(), options.horizon, options.step)
    except (PredictionError, OSError) as exc:
        print(f"predictor: {exc}", file=sys.stderr)
        return 1
    names = ["trend rules as shipped", "trend rules, and their like", "any counter above zero", "predictor"]
    known = {**result.outcomes, "any counter above zero": thumb(devices, result, options.step * DAY)}
    outcomes = {name: known[name] for name in names}
    if options.json:
        found = {**result.report, "held_out": {way: one.as_dict() for way, one in outcomes.items()}}
        print(json.dumps({**found, "dates_unknown": unknown, "seconds": round(time.monotonic() - begun)}, indent=1))
        return 0
    report = result.report
    print(table(outcomes))
    print(
        f"\n{report['devices']} devices, {report['failures']} failures ({unknown} devices left out: dates not known);"
        f" model: {report['algorithm']} {report['average_precision']};"
        f" {'wins' if report['enabled'] else 'does not win: ' + '; '.join(report['reasons'])}."
        f" {time.monotonic() - begun:.0f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
