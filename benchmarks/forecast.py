#!/usr/bin/env python3
# How well demand is foretold: mean absolute scaled error and coverage of the band, by series and model.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/forecast.py SERIES.csv… [--models auto,seasonal_naive,arima,lstm] [--json]

A CSV file has the columns time (or timestamp), figures, and perhaps series. Each series of the first column of figures
(or ``--value``) is one to foretell, and so is their sum where there are several. All of it is done as the module
capacity_forecast does it, in hours with a season of a day unless told otherwise.

The last days of each series are foretold one after the other, a day each, from everything before that day and nothing
else: what comes later is seen by neither fit, choice of model nor band. Per series and model:

* ``mase``: mean absolute error over the mean absolute change from day to day in what was known, mean of all days;
* ``coverage_90``: share of the values that lay in the band from 5 % to 95 %;
* ``seconds``: processor time of one forecast with its back-test, so that other work on the machine counts little.

A model whose library is not installed has a row that says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast.backtest import scale
from ansible_collections.aidc.ops.plugins.module_utils._forecast.clean import last_step, regular
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import MODELS, Asked, forecast
from ansible_collections.aidc.ops.plugins.module_utils._forecast.models import MissingLibraryError
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History, from_csv

OURS, REFERENCE = "auto", "seasonal_naive"


def histories(paths: Sequence[Path], value: str | None) -> Iterator[History]:
    """The series of all files, and the sum of those of one file."""
    for path in paths:
        with path.open(encoding="utf-8", newline="") as source:
            found = from_csv(source, str(path), value)
        yield from found
        if len(found) > 1:
            total: dict[float, float] = {}
            for one in found:
                for moment, number in one.points:
                    total[moment] = total.get(moment, 0.0) + (number or 0.0)
            yield History(f"{path.stem}_sum", "", list(total.items()))


def judge(history: History, model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One row: the last days of one series, by one model."""
    step, ahead, season = arguments.step, arguments.ahead, arguments.season
    last = last_step([history.points], step)
    whole = regular(history.points, step, season, None if last is None else last[0])
    asked = Asked(step, ahead, season, model, (0.05, 0.5, 0.95))
    errors, inside, seconds, used = [], [], [], set()
    for back in range(arguments.origins, 0, -1):
        cut = len(whole.values) - back * season
        if cut + ahead > len(whole.values) or cut < 2 * season + ahead:
            continue
        border = whole.start + cut * step
        begun = time.process_time()
        try:
            found = forecast([History(history.name, "", [p for p in history.points if p[0] < border])], asked)
        except MissingLibraryError as exc:
            return {
                "series": history.name,
                "model": model,
                "mase": None,
                "coverage_90": None,
                "seconds": None,
                "note": str(exc),
            }
        seconds.append(time.process_time() - begun)
        answer = found["series"][0]
        came = whole.values[cut : cut + ahead]
        used.add(answer["model"])
        usual = scale(whole.values[:cut], season)
        errors.append(statistics.fmean(abs(a - b) for a, b in zip(came, answer["forecast"], strict=True)) / usual)
        band = zip(answer["quantiles"]["0.05"], came, answer["quantiles"]["0.95"], strict=True)
        inside.append(statistics.fmean(low - 1e-9 <= value <= high + 1e-9 for low, value, high in band))
    if not errors:
        raise ForecastError(f"{history.name}: the series is too short for a benchmark")
    return {
        "series": history.name,
        "model": model,
        "mase": round(statistics.fmean(errors), 4),
        "coverage_90": round(statistics.fmean(inside), 4),
        "seconds": round(statistics.fmean(seconds), 3),
        "note": ", ".join(sorted(used)) if model == OURS else "",
    }


def summary(rows: Sequence[dict[str, Any]], models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The mean of all series for each model, and how it stands to the reference."""
    reference = {row["series"]: row["mase"] for row in rows if row["model"] == REFERENCE}
    for model in models:
        mine = [row for row in rows if row["model"] == model and row["mase"] is not None]
        if not mine:
            continue
        mase = statistics.fmean(row["mase"] for row in mine)
        ratios = [row["mase"] / reference[row["series"]] for row in mine if reference.get(row["series"])]
        note = ""
        if ratios:
            mean = statistics.fmean(reference[row["series"]] for row in mine)
            note = (
                f"{mase / mean:.3f} of the reference's mean, each series by itself {statistics.fmean(ratios):.3f} of"
                f" it on average and {max(ratios):.3f} at worst"
            )
        yield {
            "series": "mean of all",
            "model": model,
            "mase": round(mase, 4),
            "coverage_90": round(statistics.fmean(row["coverage_90"] for row in mine), 4),
            "seconds": round(statistics.fmean(row["seconds"] for row in mine), 3),
            "note": note,
        }


def show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(row), flush=True)
        return
    cells = [f"{'-' if row[key] is None else row[key]:>11}" for key in ("mase", "coverage_90", "seconds")]
    print(f"{row['series']:28} {row['model']:15}" + " ".join(cells) + f"  {row['note']}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="How well demand is foretold.")
    parser.add_argument("files", nargs="+", type=Path, metavar="SERIES.csv")
    parser.add_argument("--models", default="auto,seasonal_naive,arima,lstm", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--value", help="column of the figures; without it the first")
    parser.add_argument("--step", type=float, default=3600, help="seconds of a step")
    parser.add_argument("--ahead", type=int, default=24, help="steps to foretell")
    parser.add_argument("--season", type=int, default=24, help="steps of a season")
    parser.add_argument("--origins", type=int, default=7, help="how many days are foretold")
    parser.add_argument("--json", action="store_true", help="one object a line")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    unknown = set(models) - set(MODELS)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    rows = []
    if not arguments.json:
        print(f"{'series':28} {'model':15}" + " ".join(f"{key:>11}" for key in ("mase", "coverage_90", "seconds")))
    try:
        for history in histories(arguments.files, arguments.value):
            for model in models:
                rows.append(judge(history, model, arguments))
                show(rows[-1], arguments.json)
    except (ForecastError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    # A line of JSON is one series; the means are easily taken from those.
    if not arguments.json:
        for row in summary(rows, models):
            show(row, False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
