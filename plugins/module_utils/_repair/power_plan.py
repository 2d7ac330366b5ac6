# Decides which resets bring a server from the power state it has to the one that is wanted.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure."""

from __future__ import annotations

import typing as t

from .bmc_control import Impossible

STATES = ("graceful_restart", "force_restart", "power_cycle", "on", "off")


class Act(t.NamedTuple):
    """One request: the kind of reset, the power state that ends it, and whether the server rests after it."""

    kind: str
    until: str
    settle: bool = False


_ON = Act("On", "on")
_OFF = Act("ForceOff", "off")
# For each wish the ways to it, best first. Off and on again lets the parts lose their charge in between.
_WAYS: dict[str, tuple[tuple[Act, ...], ...]] = {
    "on": ((_ON,),),
    "off": ((_OFF,),),
    "graceful_restart": (
        (Act("GracefulRestart", "on"),),
        (Act("GracefulShutdown", "off", True), _ON),
    ),
    "force_restart": (
        (Act("ForceRestart", "on"),),
        (Act("PowerCycle", "on"),),
        (Act("ForceOff", "off", True), _ON),
    ),
    "power_cycle": (
        (Act("ForceOff", "off", True), _ON),
        (Act("PowerCycle", "on"),),
    ),
}


def plan(wanted: str, power: str | None, allowed: t.Sequence[str] | None) -> tuple[Act, ...]:
    """Return what has to be sent, in order; nothing if the state is there. Impossible if the BMC cannot do it.

    C(allowed) are the kinds of reset that the BMC offers; None: it does not tell, so the best way is tried.
    """
    if power not in ("on", "off"):
        raise Impossible(f"the BMC does not say whether the server is on or off, but {power!r}; nothing was sent")
    if power == wanted:
        return ()
    # Any restart of a server that is off is switching it on.
    ways = _WAYS["on" if power == "off" else wanted]
    for way in ways:
        if allowed is None or all(act.kind in allowed for act in way):
            return way
    offered = ", ".join(allowed or ()) or "none"
    raise Impossible(f"the BMC cannot do {wanted}: it offers the resets {offered}")
