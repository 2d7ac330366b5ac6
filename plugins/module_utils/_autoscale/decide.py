# The decision: how many replicas a service should have now, and why; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule is that of Kubernetes' horizontal autoscaler: replicas = ceil(load / target), no change within a band around
the target, and downwards only to the highest number that any moment of a window asked for
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, "Algorithm details" and "Stabilization
window"). What is added: a forecast for the time that a replica needs to start, a budget, and that nothing is ever taken
away while a part of the window is not known.

Too many replicas cost money, too few fail users. So where something is not known, such as a clock that runs backwards,
more replicas are still allowed, within all limits, and fewer are not.
"""

from __future__ import annotations

import math

from ansible_collections.aidc.ops.plugins.module_utils._autoscale import load as loads
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import (
    Decision,
    Foreseen,
    Limits,
    Seen,
    Service,
)
from ansible_collections.aidc.ops.plugins.module_utils._errors import AutoscaleError

UP, DOWN, HOLD = "up", "down", "hold"


def ceiling(limits: Limits, gpus: float) -> tuple[int, str]:
    """The most replicas that maximum and budget allow, and which of them it is. AutoscaleError below the minimum."""
    most, which = limits.maximum, "the maximum"
    if limits.max_gpus is not None:
        if gpus <= 0:
            raise AutoscaleError("max_gpus is given, but a replica takes no GPU; say how many with gpus_per_replica")
        most, which = min((most, which), (_parts(limits.max_gpus, gpus), "the budget of GPUs"))
    if limits.max_price is not None and limits.price:
        most, which = min((most, which), (_parts(limits.max_price, limits.price), "the budget of money"))
    if most < limits.minimum:
        raise AutoscaleError(f"{which} allows {most} replicas, and minimum is {limits.minimum}; change one of them")
    return most, which


def decide(service: Service, limits: Limits, seen: Seen, foreseen: Foreseen | None, now: float) -> Decision:
    """What to do at the time *now* (seconds since 1970). *foreseen* None: nobody asked for a forecast."""
    most, which = ceiling(limits, service.gpus)
    count = service.replicas
    if count == 0:
        return Decision(HOLD, 0, "it has 0 replicas: somebody switched it off, and switches it on")
    if count < limits.minimum:
        return Decision(UP, limits.minimum, f"it has {count} replicas, and the minimum is {limits.minimum}")
    read = loads.read(seen, service, limits, now)
    notes = _notes(service, foreseen)
    if read.now is None:
        return Decision(HOLD, count, f"{read.why}: it keeps its {count} replicas", notes=notes)
    ahead = foreseen.load if foreseen is not None and foreseen.load is not None else 0.0
    needed = max(read.now, ahead)
    wanted = loads.replicas_for(needed, limits.target)
    told = _told(read.now, ahead, limits)
    if count > most:
        action, replicas, why = _over(service, limits, most, which, read, now)
    elif wanted > count and needed > count * limits.target * (1 + limits.tolerance):
        action, replicas, why = _up(service, limits, wanted, most, which, now)
    elif wanted < count and needed < count * limits.target * (1 - limits.tolerance):
        action, replicas, why = _down(service, limits, ahead, read, foreseen, now)
    else:
        action, replicas, why = HOLD, count, f"{count} replicas are right for it"
    return Decision(action, replicas, f"{told}: {why}", wanted, read.now, notes)


def _up(service: Service, limits: Limits, wanted: int, most: int, which: str, now: float) -> tuple[str, int, str]:
    count = service.replicas
    if count >= most:
        return HOLD, count, f"it wants {wanted} replicas, and {which} allows {most}"
    since = None if service.scaled_up_at is None else now - service.scaled_up_at
    # A change in the future is that of a clock that was set back, which must not keep a busy service small.
    if since is not None and 0 <= since < limits.cooldown_up:
        return HOLD, count, f"it wants {wanted} replicas, and got more {since:.0f} s ago"
    step = count + (wanted if limits.step_up is None else limits.step_up)
    allowed = min(wanted, most, step)
    if allowed == wanted:
        return UP, allowed, f"it gets {allowed} replicas"
    why = f"{which} allows {most}" if most <= step else f"one step is {limits.step_up}"
    return UP, allowed, f"it wants {wanted} replicas, and {why}"


def _over(
    service: Service, limits: Limits, most: int, which: str, read: loads.Read, now: float
) -> tuple[str, int, str]:
    """More than is allowed: down to that in steps, whatever the load, but never blindly."""
    count = service.replicas
    why = read.why_not_down or _pause(service, limits, now)
    if why:
        return HOLD, count, f"{which} allows {most} replicas, but {why}"
    return DOWN, max(most, count - limits.step_down), f"{which} allows {most} replicas"


def _down(
    service: Service, limits: Limits, ahead: float, read: loads.Read, foreseen: Foreseen | None, now: float
) -> tuple[str, int, str]:
    count = service.replicas
    if count <= limits.minimum:
        return HOLD, count, f"the minimum is {limits.minimum}"
    why = read.why_not_down
    if not why and foreseen is not None and foreseen.load is None:
        why = foreseen.missing
    if not why and service.ready < count:
        why = f"only {service.ready} of {count} replicas serve"
    why = why or _pause(service, limits, now)
    if why:
        return HOLD, count, f"fewer replicas would do, but {why}"
    highest = max(read.highest or 0.0, ahead)
    enough = max(limits.minimum, loads.replicas_for(highest, limits.target))
    if enough >= count or highest >= count * limits.target * (1 - limits.tolerance):
        return HOLD, count, f"its load was higher within the last {limits.stabilisation:.0f} s"
    replicas = max(enough, count - limits.step_down)
    return DOWN, replicas, f"{replicas} replicas carry the most of the last {limits.stabilisation:.0f} s"


def _pause(service: Service, limits: Limits, now: float) -> str:
    """Why none may be taken away yet; "" if one may."""
    if service.unreadable:
        return f"its annotation {service.unreadable} is no time; remove it"
    for at in (service.scaled_up_at, service.scaled_down_at):
        if at is not None and at > now:
            return f"it was scaled {at - now:.0f} s in the future: the clock was set back"
        if at is not None and now - at < limits.cooldown_down:
            return f"it was scaled {now - at:.0f} s ago"
    return ""


def _parts(whole: float, part: float) -> int:
    """How many parts are in the whole; no service has a milliard replicas, and no float has more digits."""
    return math.floor(min(whole / part, 1e9) + 1e-9)


def _told(now: float, ahead: float, limits: Limits) -> str:
    text = f"load {loads.shown(now)}"
    if ahead > now:
        text += f", {loads.shown(ahead)} foretold for the next {limits.startup:.0f} s"
    return f"{text} at {loads.shown(limits.target)} a replica"


def _notes(service: Service, foreseen: Foreseen | None) -> tuple[str, ...]:
    notes = []
    if foreseen is not None and foreseen.missing:
        notes.append(f"without a forecast: {foreseen.missing}")
    if service.unreadable:
        notes.append(f"the annotation {service.unreadable} is no time")
    return tuple(notes)
