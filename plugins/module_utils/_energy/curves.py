# What was measured of a GPU under each power limit: the shipped curves, and a site's own, checked.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
import typing as t

from .._errors import EnergyError
from .._hardware.slurm_lines import short_model
from ._curve_table import CURVES

MAX_CURVES = 1000
MAX_POINTS = 100
_KEYS = ("model", "workload", "origin", "points")
_NUMBERS = ("limit_watts", "seconds", "mean_watts")


class Point(t.NamedTuple):
    """One power limit: how long the same piece of work took, and the mean power of the GPU meanwhile."""

    limit_watts: float
    seconds: float
    mean_watts: float

    @property
    def joules(self) -> float:
        """Energy for the piece of work."""
        return self.seconds * self.mean_watts


class Curve(t.NamedTuple):
    """A GPU model under a class of workloads; the points by rising limit, at least two."""

    model: str
    workload: str
    origin: str
    points: tuple[Point, ...]

    def performance(self, point: Point) -> float:
        """How fast the GPU is, as a part of what it is under its highest limit."""
        return self.points[-1].seconds / point.seconds

    def energy(self, point: Point) -> float:
        """What the piece of work takes, as a part of what it takes under the highest limit."""
        return point.joules / self.points[-1].joules


def _point(row: t.Any, where: str) -> Point:
    if not isinstance(row, dict) or set(row) != set(_NUMBERS):
        raise EnergyError(f"{where}: a point has exactly {', '.join(_NUMBERS)}")
    for name in _NUMBERS:
        value = row[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value <= 0:
            raise EnergyError(f"{where}.{name}: {str(value)[:40]!r} is not a number above 0")
    return Point(*(float(row[name]) for name in _NUMBERS))


def _curve(row: t.Any, number: int) -> Curve:
    where = f"curves[{number}]"
    if not isinstance(row, dict) or set(row) != set(_KEYS):
        raise EnergyError(f"{where}: a curve has exactly {', '.join(_KEYS)}")
    for name in _KEYS[:3]:
        if not isinstance(row[name], str) or not row[name].strip():
            raise EnergyError(f"{where}.{name}: must be a text that is not empty; say where the numbers are from")
    rows = row["points"]
    if not isinstance(rows, list) or not 2 <= len(rows) <= MAX_POINTS:
        raise EnergyError(f"{where}.points: must be a list of 2 to {MAX_POINTS} points")
    points = sorted(_point(one, f"{where}.points[{place}]") for place, one in enumerate(rows))
    if len({point.limit_watts for point in points}) < len(points):
        raise EnergyError(f"{where}.points: a limit is there twice")
    return Curve(row["model"], row["workload"], row["origin"], tuple(points))


def read_curves(rows: t.Any) -> list[Curve]:
    """Return curves from what YAML or JSON gives; raise EnergyError that names what is wrong."""
    if not isinstance(rows, list) or len(rows) > MAX_CURVES:
        raise EnergyError(f"curves: must be a list of at most {MAX_CURVES} curves")
    found = [_curve(row, number) for number, row in enumerate(rows)]
    seen = set()
    for number, curve in enumerate(found):
        key = (curve.model.lower(), curve.workload)
        if key in seen:
            raise EnergyError(f"curves[{number}]: {curve.model} under {curve.workload} is there twice")
        seen.add(key)
    return found


def shipped() -> list[Curve]:
    """Return the curves that come with the collection."""
    return read_curves(CURVES)


def _name(model: str) -> str:
    """The one word that names a GPU. Two words together do not: a Quadro RTX 6000 is not an RTX 6000 Ada."""
    words = re.findall(r"[a-z0-9]+", model.lower())
    try:
        short = short_model(model)
    except ValueError:
        return model.lower()
    return short if short in words else model.lower()


def find(curves: t.Sequence[Curve], model: str, workload: str) -> Curve:
    """Return the first curve of a model under a class of workloads; C(v100) is a C(Tesla V100-SXM2-32GB) too.

    Raises EnergyError with what is known: a curve of another model says nothing.
    """
    for curve in curves:
        if (_name(curve.model), curve.workload) == (_name(model), workload):
            return curve
    known = ", ".join(f"{curve.model} under {curve.workload}" for curve in curves) or "none"
    raise EnergyError(
        f"nobody measured {model[:60]!r} under {workload[:60]!r}; known are {known}. "
        "Measure it and give a curve of your own"
    )
