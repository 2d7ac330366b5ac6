# What was learned, as text that people can read and review: coefficients or trees; pure, without scikit-learn.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model is JSON. Nothing in it is executed: it is numbers and names, all of which are checked when it is read."""

from __future__ import annotations

import json
import math
import typing as t
from array import array
from dataclasses import asdict, dataclass

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError

from .features import names
from .kinds import KINDS

SCHEMA_VERSION = 1
_LARGEST = 64 * 1024 * 1024

Node = t.Tuple[int, float, int, int, float]
"""Number of the feature (-1 for a leaf), its limit, the nodes for values up to and above it, and the leaf's value."""


@dataclass(frozen=True)
class Logistic:
    """A logistic regression over standardised numbers."""

    intercept: float
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]

    def odds(self, row: t.Sequence[float]) -> float:
        terms = zip(row, self.means, self.scales, self.weights)
        return self.intercept + sum((value - mean) / scale * weight for value, mean, scale, weight in terms)


@dataclass(frozen=True)
class Trees:
    """The sum of small trees: gradient boosting."""

    intercept: float
    trees: tuple[tuple[Node, ...], ...]

    def odds(self, row: t.Sequence[float]) -> float:
        # The limits were learned from numbers of single precision.
        short = array("f", row)
        total = self.intercept
        for tree in self.trees:
            place = 0
            while tree[place][0] >= 0:
                feature, limit, low, high, _value = tree[place]
                place = low if short[feature] <= limit else high
            total += tree[place][4]
        return total


@dataclass(frozen=True)
class Model:
    """What scores one kind of device. *threshold* is the risk from which a device is flagged."""

    kind: str
    measures: tuple[str, ...]
    horizon_days: float
    threshold: float
    enabled: bool
    trained_at: float
    parameters: Logistic | Trees

    @property
    def algorithm(self) -> str:
        return "logistic" if isinstance(self.parameters, Logistic) else "trees"

    def risk(self, row: t.Sequence[float]) -> float:
        """The probability that a device with these numbers fails within the horizon."""
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, self.parameters.odds(row)))))


def dump(model: Model, report: t.Mapping[str, t.Any]) -> str:
    """The model as JSON, with the report of its back-test beside it for people."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "algorithm": model.algorithm,
        "features": names(model.measures),
        **asdict(model),
        "report": report,
    }
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def load(text: str, where: str) -> Model:
    """Read a model; PredictionError names *where* and what is wrong."""

    def wrong(what: str) -> PredictionError:
        return PredictionError(f"{where}: this is no model of failures: {what}; train it anew")

    if len(text) > _LARGEST:
        raise wrong(f"it is larger than {_LARGEST >> 20} MiB")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise wrong(f"it is not JSON ({exc})") from exc
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise wrong(f"its schema_version is not {SCHEMA_VERSION}")
    try:
        return _model(data)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        raise wrong(f"{type(exc).__name__} {exc}"[:200]) from exc


def _model(data: t.Mapping[str, t.Any]) -> Model:
    kind = KINDS[data["kind"]]
    measures = tuple(data["measures"])
    known = {measure.name for measure in kind.measures}
    if not measures or len(set(measures)) != len(measures) or not known.issuperset(measures):
        raise ValueError(f"measures are not those of {kind.name}")
    if data["features"] != names(measures):
        raise ValueError("features are not those of this version of the collection")
    if not isinstance(data["enabled"], bool):
        raise TypeError("enabled is not true or false")
    parameters = data["parameters"]
    return Model(
        kind=kind.name,
        measures=measures,
        horizon_days=_number(data["horizon_days"], least=0.04),
        threshold=_number(data["threshold"], least=0.0),
        enabled=data["enabled"],
        trained_at=_number(data["trained_at"]),
        parameters=_READERS[data["algorithm"]](parameters, len(data["features"])),
    )


def _number(value: t.Any, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < least:
        raise ValueError(f"{value!r:.40} is not a number as expected")
    return float(value)


def _logistic(data: t.Mapping[str, t.Any], width: int) -> Logistic:
    lists = [tuple(_number(value) for value in data[name]) for name in ("means", "scales", "weights")]
    if any(len(values) != width for values in lists) or 0 in lists[1]:
        raise ValueError("coefficients do not fit the features")
    return Logistic(_number(data["intercept"]), *lists)


def _trees(data: t.Mapping[str, t.Any], width: int) -> Trees:
    found = []
    for tree in data["trees"]:
        nodes = []
        for place, (feature, limit, low, high, value) in enumerate(tree):
            if not (isinstance(feature, int) and -1 <= feature < width):
                raise ValueError("a tree asks for a feature that there is not")
            # Downwards only, so that no tree goes round in circles.
            if feature >= 0 and not (place < low < len(tree) and place < high < len(tree)):
                raise ValueError("a tree leads out of itself")
            nodes.append((feature, _number(limit), int(low), int(high), _number(value)))
        if not nodes:
            raise ValueError("a tree is empty")
        found.append(tuple(nodes))
    return Trees(_number(data["intercept"]), tuple(found))


_READERS: t.Mapping[str, t.Callable[[t.Mapping[str, t.Any], int], Logistic | Trees]] = {
    "logistic": _logistic,
    "trees": _trees,
}
