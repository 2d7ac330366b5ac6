#!/usr/bin/env python3
# How often the anomaly rules cry wolf on real series, and how many labelled anomalies they find.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/anomaly_false_alarms.py FOLDER [--widths 2,3,4] [--part choose]

FOLDER has nab/ as the Numenta Anomaly Benchmark lays it out (folders of CSV files with timestamp and value, beside
combined_windows.json) and may have forecast/ (CSV files with the columns time, perhaps series, and figures). Every
series is written into a real Prometheus through its own tools, as the signal that our rules watch. The expressions of
the alert FleetUnlikeItsPast and of the band that it compares with are taken from the rules that the role prometheus
writes, and evaluated there every five minutes; so are two simple ways, beside them:

* ``band``: the alert as shipped;
* ``rolling``: three standard deviations from the mean of the last day;
* ``static``: three standard deviations from the mean of the first two days, as somebody sets a threshold by hand.

All of them judge from the third day on and hold an alarm back for as long as the alert does. An alarm counts once, from
its begin to its end. It is false when no labelled window touches it; a window is hit when an alarm touches it. Series
without labels have no windows: nobody says which of their alarms were right, so all of them count as false.

Every second series is there to choose the width of the band with (part choose), the others to report what it is worth
(part report). Times are shifted by whole weeks so that all series begin in the same week.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import signal
import statistics
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("tools", "tests/unit/roles", ".ansible/collections")]

import yaml
from prometheus_server import PrometheusServer, PrometheusServerError
from render import render

SIGNAL = "aidc_anomaly:signal"
ALERT = "FleetUnlikeItsPast"
STEP = 300
LEARNED = 2 * 86400
WEEK = 7 * 86400
# A Monday, as good as any.
BEGIN = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
# Prometheus answers with 11,000 points of a series at most.
POINTS = 10000
ROLLING = (
    f"abs({SIGNAL} - avg_over_time({SIGNAL}[1d] offset 5m)) > 3 * stddev_over_time({SIGNAL}[1d] offset 5m)"
    f" and {SIGNAL} offset 1d"
)
WAYS = ("band", "rolling", "static")


@dataclass
class Series:
    """One series: samples as pairs of time and value, and its labelled windows, all in seconds."""

    name: str
    samples: list[tuple[float, float]]
    windows: list[tuple[float, float]] = field(default_factory=list)
    labelled: bool = False

    def shift(self) -> None:
        """Let it begin in the week of BEGIN, at its own hour of its own day of the week."""
        offset = BEGIN - BEGIN % WEEK - (self.samples[0][0] - self.samples[0][0] % WEEK)
        self.samples = [(moment + offset, value) for moment, value in self.samples]
        self.windows = [(begin + offset, end + offset) for begin, end in self.windows]

    @property
    def judged_from(self) -> float:
        return self.samples[0][0] + LEARNED

    @property
    def weeks(self) -> float:
        """Weeks in which it is judged, without its labelled windows."""
        last = self.samples[-1][0]
        covered = sum(max(0.0, min(end, last) - max(begin, self.judged_from)) for begin, end in self.windows)
        return (last - self.judged_from - covered) / WEEK

    @property
    def judged_windows(self) -> list[tuple[float, float]]:
        return [window for window in self.windows if window[1] > self.judged_from]


@dataclass
class Outcome:
    """What one way made of one series."""

    false_alarms: int
    hits: int
    windows: int
    weeks: float

    @property
    def per_week(self) -> float:
        return self.false_alarms / self.weeks


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def nab(folder: Path) -> Iterator[Series]:
    """The labelled series below a folder in the layout of NAB."""
    windows = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*/*.csv")):
        name = f"{path.parent.name}/{path.name}"
        with path.open(encoding="utf-8") as source:
            samples = [(seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(source)]
        spans = [(seconds(begin), seconds(end)) for begin, end in windows[name]]
        yield Series(path.stem, sorted(dict(samples).items()), spans, labelled=True)


def forecast(folder: Path) -> Iterator[Series]:
    """The columns of the CSV files in a folder: 10-minute means, so each is two samples. Constants are left out."""
    for path in sorted(folder.glob("*.csv")):
        found: dict[str, list[tuple[float, float]]] = {}
        with path.open(encoding="utf-8") as source:
            for row in csv.DictReader(source):
                moment = seconds(row.pop("time"))
                own = row.pop("series", "")
                for column, text in row.items():
                    if not text:
                        continue
                    name = "_".join(part for part in (path.stem.split("_")[0], own, column) if part)
                    found.setdefault(name, []).extend([(moment, float(text)), (moment + STEP, float(text))])
        for name, samples in found.items():
            if len({value for _moment, value in samples}) > 1:
                yield Series(name, samples)


def openmetrics(series: Iterable[Series]) -> Iterator[str]:
    for one in series:
        for moment, value in one.samples:
            yield f'{SIGNAL}{{scope="fleet",signal="{one.name}"}} {value} {moment}\n'
    yield "# EOF\n"


def shipped(width: float | None) -> tuple[str, float]:
    """The expression of the alert with its band written out, and how many seconds it is held back."""
    options = {} if width is None else {"prometheus_anomaly_width": width}
    groups = yaml.safe_load(render("prometheus", "rules/aidc_anomaly.yml.j2", **options))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    (alert,) = (rule for rule in rules if rule.get("alert") == ALERT)
    expression = str(alert["expr"])
    for rule in rules:
        if rule.get("record") in ("aidc_anomaly:upper", "aidc_anomaly:lower"):
            expression = expression.replace(rule["record"], f"({rule['expr']})")
    return expression, float(alert["for"].removesuffix("m")) * 60


class Server:
    """A Prometheus that holds the series."""

    def __init__(self, folder: Path, series: list[Series]) -> None:
        flags = ["--storage.tsdb.retention.time=100y", "--query.timeout=20m", "--query.max-samples=500000000"]
        self.series = series
        self.prometheus = PrometheusServer(folder / "prometheus", flags)
        source = folder / "series.om"
        with source.open("w", encoding="utf-8") as target:
            target.writelines(openmetrics(series))
        self.prometheus.fill(source)
        self.begin = min(one.samples[0][0] for one in series) // STEP * STEP
        self.end = max(one.samples[-1][0] for one in series)

    def values(self, expression: str) -> dict[str, dict[float, float]]:
        """What an expression gives at every step, by series and time."""
        found: dict[str, dict[float, float]] = {one.name: {} for one in self.series}
        begin = self.begin
        while begin <= self.end:
            end = min(begin + POINTS * STEP, self.end)
            query = urllib.parse.urlencode({"query": expression, "start": begin, "end": end, "step": STEP}).encode()
            with urllib.request.urlopen(f"{self.prometheus.url}/api/v1/query_range", query, timeout=1200) as answer:
                for row in json.load(answer)["data"]["result"]:
                    points = {float(moment): float(value) for moment, value in row["values"]}
                    found[row["metric"]["signal"]].update(points)
            begin = end + STEP
        return found


def alarms(moments: Iterable[float], held: float) -> list[tuple[float, float]]:
    """From the steps at which a condition is true: begin and end of each alarm that comes of it."""
    runs: list[list[float]] = []
    for moment in sorted(moments):
        if not runs or moment - runs[-1][1] > STEP:
            runs.append([moment, moment])
        runs[-1][1] = moment
    return [(begin + held, end) for begin, end in runs if end - begin >= held]


def judge(one: Series, moments: Iterable[float], held: float) -> Outcome:
    found = alarms((moment for moment in moments if moment >= one.judged_from), held)

    def touches(alarm: tuple[float, float], window: tuple[float, float]) -> bool:
        return alarm[0] <= window[1] and alarm[1] >= window[0]

    false = sum(not any(touches(alarm, window) for window in one.windows) for alarm in found)
    windows = one.judged_windows
    hits = sum(any(touches(alarm, window) for alarm in found) for window in windows)
    return Outcome(false, hits, len(windows), one.weeks)


def static(one: Series, values: dict[float, float]) -> list[float]:
    """The steps at which a value is three standard deviations from the mean of the first two days."""
    early = [value for moment, value in one.samples if moment < one.judged_from]
    mean, spread = statistics.fmean(early), statistics.pstdev(early)
    return [moment for moment, value in values.items() if abs(value - mean) > 3 * spread]


def part(series: list[Series], wanted: str) -> list[Series]:
    """Every second series: the labelled ones and the others each in their order."""
    chosen = []
    for labelled in (True, False):
        chosen += [one for one in series if one.labelled == labelled][0 if wanted == "choose" else 1 :: 2]
    return chosen


def widths_table(server: Server, widths: Iterable[float]) -> list[list[str]]:
    """One row for each width of the band."""
    rows = [["width", "false a week", "worst series", "windows hit", "unlabelled: false a week", "worst series"]]
    for width in widths:
        expression, held = shipped(width)
        found = server.values(expression)
        outcomes = {one.name: judge(one, found[one.name], held) for one in server.series}
        rows.append([f"{width:g}", *summary(server.series, outcomes)])
    return rows


def summary(series: list[Series], outcomes: dict[str, Outcome]) -> list[str]:
    found: list[str] = []
    for labelled in (True, False):
        chosen = [outcomes[one.name] for one in series if one.labelled == labelled]
        if not chosen:
            return [*found, "-", "-"]
        rate = sum(outcome.false_alarms for outcome in chosen) / sum(outcome.weeks for outcome in chosen)
        found += [f"{rate:.2f}", f"{max(outcome.per_week for outcome in chosen):.2f}"]
        if labelled:
            hits, windows = (sum(getattr(outcome, name) for outcome in chosen) for name in ("hits", "windows"))
            found.append(f"{hits} of {windows}")
    return found


def ways_table(server: Server) -> list[list[str]]:
    """One row for each series, all ways side by side, and a last one with their sums."""
    expression, held = shipped(None)
    band, rolling, plain = (server.values(query) for query in (expression, ROLLING, SIGNAL))
    titles = [f"{way}: {what}" for way in WAYS for what in ("false a week", "hit")]
    rows = [["series", "weeks", "windows", *titles]]
    sums: dict[str, dict[str, Outcome]] = {way: {} for way in WAYS}
    for one in server.series:
        moments: dict[str, Iterable[float]] = {
            "band": band[one.name],
            "rolling": rolling[one.name],
            "static": static(one, plain[one.name]),
        }
        row = [one.name, f"{one.weeks:.1f}", str(len(one.judged_windows)) if one.labelled else "-"]
        for way in WAYS:
            outcome = sums[way][one.name] = judge(one, moments[way], held)
            row += [f"{outcome.per_week:.2f}", str(outcome.hits) if one.labelled else "-"]
        rows.append(row)
    for labelled, title in ((True, "all with labels"), (False, "all without")):
        chosen = [one for one in server.series if one.labelled == labelled]
        if chosen:
            rows.append(total(title, chosen, sums))
    return rows


def total(title: str, chosen: list[Series], sums: dict[str, dict[str, Outcome]]) -> list[str]:
    weeks = sum(one.weeks for one in chosen)
    row = [title, f"{weeks:.1f}", str(sum(len(one.judged_windows) for one in chosen)) if chosen[0].labelled else "-"]
    for way in WAYS:
        outcomes = [sums[way][one.name] for one in chosen]
        row.append(f"{sum(outcome.false_alarms for outcome in outcomes) / weeks:.2f}")
        row.append(str(sum(outcome.hits for outcome in outcomes)) if chosen[0].labelled else "-")
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how often the anomaly rules cry wolf on real series.")
    parser.add_argument("folder", type=Path, help="folder with nab/ and perhaps forecast/")
    parser.add_argument("--part", choices=("choose", "report"), default="report", help="which half of the series")
    parser.add_argument("--widths", help="widths of the band to compare, for example 2,3,4, instead of the ways")
    options = parser.parse_args()
    # Whoever stops it is not left with a server.
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    if not (options.folder / "nab" / "combined_windows.json").is_file():
        parser.error(f"{options.folder} has no nab/combined_windows.json; name the folder that holds nab/")
    everything = list(itertools.chain(nab(options.folder / "nab"), forecast(options.folder / "forecast")))
    series = part(everything, options.part)
    for one in series:
        one.shift()
    with tempfile.TemporaryDirectory(prefix="aidc-ops-bench-") as name:
        try:
            server = Server(Path(name), series)
            with server.prometheus.start():
                if options.widths:
                    rows = widths_table(server, [float(text) for text in options.widths.split(",")])
                else:
                    rows = ways_table(server)
        except PrometheusServerError as exc:
            print(f"anomaly_false_alarms: {exc}", file=sys.stderr)
            return 1
    rows.insert(1, ["---"] * len(rows[0]))
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
