# From a series of load to replicas: what the newest value asks for, and the most that the whole window asked for; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import (
    PER_REPLICA,
    Limits,
    Points,
    Seen,
    Service,
)

# Seconds by which the clocks of this machine and of the server may differ.
_CLOCK_SLACK = 5.0
# Loads are sums of floats: 3 replicas at exactly their target must not look like more than 3.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Read:
    """``now``: newest load of the whole service, None (with ``why``) if there is none that counts.

    ``highest``: highest load of the window, None (with ``why_not_down``) unless all of the window is known.
    """

    now: float | None
    why: str
    highest: float | None
    why_not_down: str


def replicas_for(load: float, target: float) -> int:
    """How many replicas carry a load, at least 0."""
    ratio = load / target
    return max(0, math.ceil(ratio - _ROUNDING * max(1.0, ratio))) if math.isfinite(ratio) else 2**31


def read(seen: Seen, service: Service, limits: Limits, now: float) -> Read:
    """What the measured values say at the time *now*, in seconds since 1970."""
    if seen.missing:
        return _nothing(seen.missing)
    late = [moment for moment, _value in seen.points if moment > now + _CLOCK_SLACK]
    if late:
        return _nothing(f"values are of {max(late) - now:.0f} s in the future: a clock is wrong")
    good = [(moment, value) for moment, value in seen.points if math.isfinite(value) and value >= 0]
    if not good:
        return _nothing("there is no value that is a number" if seen.points else "there are no values")
    age = now - good[-1][0]
    if age > limits.max_age:
        return _nothing(f"the newest value that is a number is {age:.0f} s old")
    newest = good[-1][1]
    if limits.measure == PER_REPLICA:
        if service.ready < 1:
            return _nothing("no replica serves, so that a mean of replicas says nothing")
        changed = max((at for at in (service.scaled_up_at, service.scaled_down_at) if at is not None), default=None)
        if changed is not None and good[-1][0] <= changed <= now:
            return _nothing("the service was scaled after the newest value")
        factor = float(service.ready)
    else:
        factor = 1.0
    why_not_down = _incomplete(seen, service) or _gap(good, limits, now) or _changed_within(service, limits, now)
    window = [value for moment, value in good if moment >= now - limits.stabilisation - limits.max_age]
    return Read(newest * factor, "", None if why_not_down else max(window) * factor, why_not_down)


def _nothing(why: str) -> Read:
    return Read(None, why, None, why)


def _incomplete(seen: Seen, service: Service) -> str:
    if seen.reporting is None:
        return ""
    if not math.isfinite(seen.reporting) or seen.reporting < service.ready:
        return f"only {seen.reporting:g} of {service.ready} replicas report their load"
    return ""


def _gap(good: Points, limits: Limits, now: float) -> str:
    """Why not all of the window is known; "" if it is."""
    begin = now - limits.stabilisation
    # A value from before the window says how it began.
    moments = [moment for moment, _value in good if moment >= begin - limits.max_age]
    edges = zip([begin, *moments], [*moments, now])
    longest = max(after - before for before, after in edges)
    if longest > limits.max_age:
        return f"the load of {longest:.0f} s of the last {limits.stabilisation:.0f} s is not known"
    return ""


def _changed_within(service: Service, limits: Limits, now: float) -> str:
    """A mean over other replicas than there are now cannot be compared with one over these."""
    if limits.measure != PER_REPLICA:
        return ""
    for at in (service.scaled_up_at, service.scaled_down_at):
        if at is not None and now - at < limits.stabilisation:
            return f"the service was scaled within the last {limits.stabilisation:.0f} s"
    return ""


def shown(load: float) -> str:
    """A load for a sentence."""
    return f"{load:.4g}"
