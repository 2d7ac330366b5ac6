# Chooses a private network that collides with nothing on this machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own choice avoids its own networks only; a VPN or a cloud network in the same range would be cut off."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

CANDIDATES = tuple(f"10.{second}.{third}.0/24" for second in (213, 87, 154) for third in range(0, 250, 7))


class SubnetError(Exception):
    """No candidate is free."""


def used_by_routes(routes: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ranges in the output of `ip -j route show table all`.

    A default route is no range, and neither is one as wide as 10.0.0.0/8: a narrower network beside it works.
    """
    ranges = []
    for route in routes:
        target = str(route.get("dst", ""))
        try:
            network = ipaddress.ip_network(target, strict=False)
        except ValueError:
            continue
        if network.version == 4 and network.prefixlen > 8:
            ranges.append(str(network))
    return ranges


def choose(used: Sequence[str], candidates: Sequence[str] = CANDIDATES) -> str:
    """Return the first candidate that overlaps none of the used ranges; raise SubnetError if all do."""
    taken = [network for network in map(ipaddress.ip_network, used) if network.version == 4]
    for candidate in candidates:
        if not any(ipaddress.ip_network(candidate).overlaps(network) for network in taken):
            return candidate
    raise SubnetError("no free private range found; name one in AIDC_OPS_LAB_SUBNET, for example 10.99.9.0/24")
