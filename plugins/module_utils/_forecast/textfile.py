# A forecast as metrics for node_exporter's textfile collector.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what ``forecast`` gave and the time in, text of the Prometheus exposition format out. What is not known has no
sample. The label ``scope`` says whether ``series`` names a series, a project or the total.
"""

from __future__ import annotations

import typing as t

_HELP = {
    "aidc_forecast_demand": "Highest demand within the horizon, at this quantile of the forecast.",
    "aidc_forecast_capacity": "What there is for this demand.",
    "aidc_forecast_exceeds_timestamp_seconds": "When demand first exceeds capacity at this quantile, since 1970.",
    "aidc_forecast_error_ratio": "Mean absolute error of the back-test over that of one season's change (MASE).",
    "aidc_forecast_coverage_ratio": "Share of what came in the back-test that lay in the 90 % band.",
    "aidc_forecast_timestamp_seconds": "When the forecast was made, since 1970.",
}

_Rows = t.Dict[str, t.List[t.Tuple[t.Dict[str, str], float]]]


def render(
    name: str, found: t.Mapping[str, t.Any], now: float, horizons: t.Sequence[float], capacity: t.Mapping[str, float]
) -> str:
    """The metrics as one text. *horizons* in seconds; *capacity* by name of a project, a series, or ``total``.

    *name* is that of the forecast: without it two files of one node would have the same samples, and neither be read.
    """
    rows: _Rows = {family: [] for family in _HELP}
    rows["aidc_forecast_timestamp_seconds"].append(({"forecast": name}, now))
    sums = [one["name"] for one in (*found["projects"], found["total"])]
    groups = (("series", found["series"]), ("project", found["projects"]), ("total", [found["total"]]))
    for scope, members in groups:
        for one in members:
            labels = {"forecast": name, "scope": scope, "series": one["name"]}
            if one["project"] and scope == "series":
                labels["project"] = one["project"]
            _demand(rows, one, labels, found["step_seconds"], horizons)
            _scores(rows, one, labels)
            # A limit for a name that both have is that of the project.
            if scope != "series" or one["name"] not in sums:
                _against(rows, one, labels, found["times"], capacity.get(one["name"]))
    lines = []
    for family, text in _HELP.items():
        if rows[family]:
            lines += [f"# HELP {family} {text}", f"# TYPE {family} gauge"]
            lines += [_line(family, labels, value) for labels, value in rows[family]]
    return "\n".join(lines) + "\n"


def steady(text: str) -> str:
    """The metrics without the time, to tell whether anything else differs."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("aidc_forecast_timestamp_seconds{")
    )


def exceeds(one: t.Mapping[str, t.Any], times: t.Sequence[float], quantile: str, limit: float) -> float | None:
    """The beginning of the first step at which a quantile is above a limit; None if it fits all the way."""
    values = one["quantiles"].get(quantile, [])
    return next((moment for moment, value in zip(times, values) if value > limit), None)


def _demand(
    rows: _Rows, one: t.Mapping[str, t.Any], labels: dict[str, str], step: float, horizons: t.Sequence[float]
) -> None:
    for quantile, values in one["quantiles"].items():
        for horizon in horizons:
            steps = min(len(values), max(1, round(horizon / step)))
            named = {**labels, "quantile": quantile, "horizon": span(horizon)}
            rows["aidc_forecast_demand"].append((named, max(values[:steps])))


def _against(
    rows: _Rows, one: t.Mapping[str, t.Any], labels: dict[str, str], times: t.Sequence[float], limit: float | None
) -> None:
    if limit is None:
        return
    rows["aidc_forecast_capacity"].append((labels, limit))
    for quantile in one["quantiles"]:
        moment = exceeds(one, times, quantile, limit)
        if moment is not None:
            rows["aidc_forecast_exceeds_timestamp_seconds"].append(({**labels, "quantile": quantile}, moment))


def _scores(rows: _Rows, one: t.Mapping[str, t.Any], labels: dict[str, str]) -> None:
    report = one["backtest"] or {}
    for family, key in (("aidc_forecast_error_ratio", "mase"), ("aidc_forecast_coverage_ratio", "coverage_90")):
        for model, suffix in ((one["model"], ""), ("seasonal_naive", "_seasonal_naive")):
            value = report.get(key + suffix)
            if value is not None and not (suffix and one["model"] == "seasonal_naive"):
                rows[family].append(({**labels, "model": model}, value))


def span(seconds: float) -> str:
    """A length of time as Prometheus writes it, in its largest whole unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _line(family: str, labels: t.Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{family}{'{' + inner + '}' if inner else ''} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
