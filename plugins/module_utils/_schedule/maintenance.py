# Maintenance windows where the forecast is lowest and demand still fits on what is left.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes are taken one after the other, those with most GPUs and minutes first, and each gets the window in which the
highest demand is least; of equal ones that with the least mean demand, then the first. That is greedy: the windows obey
every limit, but nobody proves that they are the best ones together.

Time runs in steps of a quarter of an hour. Hours of the day are those of the clock on the wall, so that they are right
on both sides of a change to summer time.
"""

from __future__ import annotations

import datetime
import math
import re
import typing as t
from dataclasses import dataclass

from .._capacity.numeric import np

if t.TYPE_CHECKING:
    from .._capacity.numeric import Flags, Real

STEP = 900
MAX_STEPS = 50_000
MAX_NODES = 10_000
# About the year 5000; a calendar cannot say what is much later.
LAST_BEGIN = 1e11
_HOURS = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_UTC = datetime.timezone.utc


class MaintenanceError(ValueError):
    """What is asked for is wrong; the message says what, where, and what to do."""


class Need(t.NamedTuple):
    """A node that needs maintenance for so many minutes; ``gpus`` are away meanwhile."""

    node: str
    minutes: int
    gpus: int
    rack: str = ""
    summary: str = ""


@dataclass(frozen=True)
class Demand:
    """GPUs that are wanted from ``begin`` (seconds since 1970) on, one value for each step."""

    begin: float
    step_seconds: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Limits:
    """``most_per_rack`` and ``most`` nodes at once, 0 for any number; ``hours`` as 22:00-06:00, none for all day."""

    capacity: float
    most_per_rack: int = 1
    most: int = 0
    hours: tuple[str, ...] = ()
    zone: datetime.tzinfo = _UTC


def read_demand(forecast: t.Any, name: str, quantile: float) -> Demand:
    """The quantile of a series, project or ``total`` of what capacity_forecast returned as ``forecast_demand``."""
    try:
        rows = [*forecast["projects"], *forecast["series"]]
        chosen = forecast["total"] if name == "total" else next((row for row in rows if row["name"] == name), None)
        if chosen is None:
            known = ", ".join(["total", *(str(row["name"]) for row in rows[:5])])
            raise MaintenanceError(f"series: the forecast has no {name!r}; it has {known}")
        bands = {float(key): values for key, values in chosen["quantiles"].items()}
        values = tuple(float(value) for value in bands.get(quantile, ()))
        begin, step = float(forecast["begin"]), float(forecast["step_seconds"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, MaintenanceError):
            raise
        raise MaintenanceError(
            f"forecast: it is not what capacity_forecast returns as forecast_demand ({type(error).__name__}: {error})"
        ) from error
    if not values:
        has = ", ".join(f"{one:g}" for one in sorted(bands)) or "none; it could not be foretold"
        raise MaintenanceError(f"quantile: {name} has no quantile {quantile:g}; it has {has}")
    if not all(math.isfinite(value) for value in (begin, step, *values)) or step <= 0:
        raise MaintenanceError(f"forecast: {name} has values that are no numbers, or a step that is not above zero")
    if not 0 <= begin <= LAST_BEGIN:
        raise MaintenanceError(f"forecast: begin: {begin:g} is no time in seconds since 1970")
    if len(values) * step > MAX_STEPS * STEP:
        raise MaintenanceError(f"forecast: it is longer than {MAX_STEPS * STEP // 86400} days; foretell less")
    return Demand(begin, step, values)


def choose(demand: Demand, needs: t.Sequence[Need], limits: Limits) -> dict[str, t.Any]:
    """``windows`` (node, start, end, demand, capacity_left, summary) by time, and ``refused`` (node, reason)."""
    _check(needs, limits)
    # Only what begins and ends within the forecast.
    first = math.ceil(demand.begin / STEP) * STEP
    last = demand.begin + len(demand.values) * demand.step_seconds
    count = max(0, int((last - first) // STEP))
    starts = [first + STEP * number for number in range(count)]
    wanted = np.array([_highest(demand, start) for start in starts], float)
    allowed = np.array([_allowed(start, limits) for start in starts], bool)
    out = np.zeros(count)
    nodes_out = np.zeros(count, int)
    rack_out: dict[str, t.Any] = {}
    found: list[dict[str, t.Any]] = []
    refused = []
    for need in sorted(needs, key=lambda one: (-one.gpus * one.minutes, -one.minutes, one.node)):
        length = math.ceil(need.minutes * 60 / STEP)
        in_rack = rack_out.setdefault(need.rack, np.zeros(count, np.int16))
        fits = wanted + out + need.gpus <= limits.capacity + 1e-9
        free = np.ones(count, bool)
        if limits.most:
            free &= nodes_out < limits.most
        if limits.most_per_rack:
            free &= in_rack < limits.most_per_rack
        at = _best(wanted, allowed & fits & free, length)
        if at is None:
            refused.append({"node": need.node, "reason": _why(need, limits, length, wanted + out, allowed, fits, free)})
            continue
        span = slice(at, at + length)
        out[span] += need.gpus
        nodes_out[span] += 1
        in_rack[span] += 1
        start = starts[at]
        end = start + need.minutes * 60
        found.append({"node": need.node, "start": start, "end": end, "summary": need.summary, "span": span})
    for one in found:
        span = one.pop("span")
        one["demand"] = float(wanted[span].max())
        one["capacity_left"] = float(limits.capacity - out[span].max())
    found.sort(key=lambda one: (one["start"], one["node"]))
    return {"windows": found, "refused": refused}


def _check(needs: t.Sequence[Need], limits: Limits) -> None:
    if len(needs) > MAX_NODES:
        raise MaintenanceError(f"nodes: {len(needs)} are too many; {MAX_NODES} are the most, so plan a part at a time")
    seen: set[str] = set()
    for need in needs:
        if need.node in seen:
            raise MaintenanceError(f"nodes[{need.node}]: it is there twice; add up its minutes")
        seen.add(need.node)
        if not 1 <= need.minutes <= 60 * 24 * 31:
            raise MaintenanceError(f"nodes[{need.node}].minutes: {need.minutes} is not between 1 and a month")
        if need.gpus < 0:
            raise MaintenanceError(f"nodes[{need.node}].gpus: {need.gpus} is less than 0")
    if not math.isfinite(limits.capacity) or limits.capacity < 0:
        raise MaintenanceError(f"capacity: {limits.capacity} is not a number of GPUs")
    if limits.most < 0 or limits.most_per_rack < 0:
        raise MaintenanceError("most_at_once, most_per_rack: neither can be less than 0; 0 is no limit")
    for text in limits.hours:
        _span(text)


def _span(text: str) -> tuple[int, int]:
    """Minutes of the day of a range such as 22:00-06:00."""
    found = _HOURS.fullmatch(text)
    hours = [int(part) for part in found.groups()] if found else []
    if not hours or max(hours[0], hours[2]) > 24 or max(hours[1], hours[3]) > 59 or hours[0] * 60 + hours[1] >= 1440:
        raise MaintenanceError(f"hours: {text!r} is no range such as 22:00-06:00")
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if end > 1440 or start == end:
        raise MaintenanceError(f"hours: {text!r} is no range such as 22:00-06:00")
    return start, end


def _allowed(start: float, limits: Limits) -> bool:
    """Whether a quarter of an hour lies in the hours of the day."""
    if not limits.hours:
        return True
    begin = datetime.datetime.fromtimestamp(start, limits.zone)
    minute = begin.hour * 60 + begin.minute
    for text in limits.hours:
        low, high = _span(text)
        if low < high and low <= minute and minute + STEP // 60 <= high:
            return True
        if low > high and (minute >= low or minute + STEP // 60 <= high):
            return True
    return False


def _highest(demand: Demand, start: float) -> float:
    """The highest value of a quarter of an hour."""
    first = int((start - demand.begin) // demand.step_seconds)
    last = math.ceil((start + STEP - demand.begin) / demand.step_seconds)
    return max(demand.values[first:last])


def _best(wanted: Real, good: Flags, length: int) -> int | None:
    """Where to begin, or None."""
    if length > len(wanted):
        return None
    view = np.lib.stride_tricks.sliding_window_view
    where = np.flatnonzero(view(good, length).all(1))
    if not len(where):
        return None
    some = view(wanted, length)[where]
    rank = np.lexsort((where, np.round(some.mean(1), 9), some.max(1)))
    return int(where[rank[0]])


def _why(need: Need, limits: Limits, length: int, busy: Real, allowed: Flags, fits: Flags, free: Flags) -> str:
    """The first limit that leaves no window."""
    span = f"{need.minutes} minutes"
    if _best(busy, allowed, length) is None:
        return f"no {span} in a row lie in the allowed hours within the forecast; allow more hours, or foretell more"
    if _best(busy, allowed & fits, length) is None:
        view = np.lib.stride_tricks.sliding_window_view
        peaks = view(busy, length).max(1)[view(allowed, length).all(1)]
        return (
            f"in no {span} of the allowed hours does demand fit without its {need.gpus} GPUs: at best {peaks.min():g} "
            f"GPUs are wanted or in maintenance, {limits.capacity - need.gpus:g} would be left"
        )
    return f"in all {span} that demand leaves, as many nodes of its rack or of all are in maintenance as may be at once"
