# The typed results of a Prometheus-compatible server, made from its JSON; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values are floats. NaN and the infinities are values too: a ratio of nothing by nothing is NaN, and a comparison
with NaN is false, so who compares has to think of it. A series that is stale (its target is gone, or it was not
scraped for the server's lookback time, 5 minutes by default) is not in an answer at all: no data is not zero.

The timestamp of an instant sample is the time of the evaluation and not that of the scrape; ``timestamp(x)`` in PromQL
gives the latter.
"""

from __future__ import annotations

import math
import typing as t

Labels = t.Dict[str, str]


class Sample(t.NamedTuple):
    """One value of an instant query. A scalar has no labels."""

    labels: Labels
    value: float
    timestamp: float


class Series(t.NamedTuple):
    """The values of one series over a range, oldest first, as pairs of time and value."""

    labels: Labels
    points: list[tuple[float, float]]


class Answer(t.NamedTuple):
    """What a query gave. *kind* is vector, scalar, matrix or string and says which of the other fields is used."""

    kind: str
    samples: list[Sample]
    series: list[Series]
    text: str | None
    warnings: list[str]


class Target(t.NamedTuple):
    """One target that is scraped. *health* is up, down or unknown (not scraped yet)."""

    labels: Labels
    discovered_labels: Labels
    scrape_url: str
    health: str
    last_error: str


class Alert(t.NamedTuple):
    """One alert as the rules of the server see it. *state* is pending or firing."""

    labels: Labels
    annotations: Labels
    state: str
    active_at: str
    value: float


def read_answer(data: t.Any, warnings: list[str]) -> Answer:
    """Make an Answer of the ``data`` of a query. Raises ValueError if that is not what the API promises."""
    try:
        kind, result = data["resultType"], data["result"]
        if not isinstance(result, list):
            raise TypeError("the result is not a list")
        if kind == "vector":
            return Answer(kind, [_sample(item) for item in result], [], None, warnings)
        if kind == "matrix":
            return Answer(kind, [], [_series(item) for item in result], None, warnings)
        if kind == "scalar":
            return Answer(kind, [Sample({}, float(result[1]), float(result[0]))], [], None, warnings)
        if kind == "string":
            return Answer(kind, [], [], str(result[1]), warnings)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        raise ValueError("the answer is not the result of a query: " + _reason(data, exc)) from exc
    raise ValueError(f"the answer is of a kind that is not known: {kind!r:.100}")


def read_targets(data: t.Any) -> list[Target]:
    """Make Targets of the ``data`` of the targets API. Raises ValueError."""
    try:
        return [
            Target(
                labels=dict(item["labels"]),
                discovered_labels=dict(item.get("discoveredLabels") or {}),
                scrape_url=str(item.get("scrapeUrl", "")),
                health=str(item["health"]),
                last_error=str(item.get("lastError", "")),
            )
            for item in data["activeTargets"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"the answer is not a list of targets: {exc!r:.200}") from exc


def read_alerts(data: t.Any) -> list[Alert]:
    """Make Alerts of the ``data`` of the alerts API. Raises ValueError."""
    try:
        return [
            Alert(
                labels=dict(item["labels"]),
                annotations=dict(item.get("annotations") or {}),
                state=str(item["state"]),
                active_at=str(item.get("activeAt", "")),
                value=float(item["value"]),
            )
            for item in data["alerts"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"the answer is not a list of alerts: {exc!r:.200}") from exc


def join_series(parts: t.Iterable[t.Iterable[Series]]) -> list[Series]:
    """Put the parts of a range, oldest first, together again: one series for each set of labels."""
    joined: dict[frozenset[tuple[str, str]], Series] = {}
    for part in parts:
        for series in part:
            known = joined.setdefault(frozenset(series.labels.items()), series)
            if known is not series:
                known.points.extend(series.points)
    return list(joined.values())


def plain_value(value: float) -> float | str:
    """The value as JSON can hold it: what is no finite number is the text that Prometheus writes."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def plain_answer(answer: Answer) -> list[dict[str, t.Any]]:
    """The samples or series as lists and dictionaries, for playbooks."""
    if answer.kind == "matrix":
        return [
            {"labels": series.labels, "values": [[moment, plain_value(value)] for moment, value in series.points]}
            for series in answer.series
        ]
    return [
        {"labels": sample.labels, "value": plain_value(sample.value), "timestamp": sample.timestamp}
        for sample in answer.samples
    ]


def _sample(item: t.Any) -> Sample:
    moment, value = item["value"]
    return Sample(_labels(item), float(value), float(moment))


def _series(item: t.Any) -> Series:
    if "histograms" in item:
        raise KeyError("values")
    return Series(_labels(item), [(float(moment), float(value)) for moment, value in item["values"]])


def _labels(item: t.Any) -> Labels:
    labels = item["metric"]
    for value in labels.values():
        if not isinstance(value, str):
            raise TypeError("a label is no text")
    return t.cast(Labels, labels)


def _reason(data: t.Any, exc: Exception) -> str:
    if "histogram" in str(data)[:10000]:
        return "it holds native histograms; take numbers from them with histogram_quantile() or histogram_count()"
    return f"{exc!r:.200}"
