# Tests of molecule/shared/subnet.py: no range that is in use is ever chosen.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import subnet


def test_routes_are_read() -> None:
    routes = [
        {"dst": "default", "gateway": "192.0.2.1"},
        {"dst": "10.213.0.0/24", "dev": "podman1"},
        {"dst": "192.0.2.7"},
        {"dst": "10.0.0.0/8", "dev": "vpn"},
        {"dst": "fe80::/64"},
        {"type": "unreachable"},
    ]
    assert subnet.used_by_routes(routes) == ["10.213.0.0/24", "192.0.2.7/32"]


def test_used_ranges_are_avoided_whatever_their_size() -> None:
    assert subnet.choose([]) == "10.213.0.0/24"
    assert subnet.choose(["10.213.0.0/22", "fd00::/8"]) == "10.213.7.0/24"
    assert subnet.choose(["10.213.0.128/25"]) == "10.213.7.0/24"
    assert subnet.choose(["10.213.0.0/16"]).startswith("10.87.")


def test_when_nothing_is_free_the_way_out_is_named() -> None:
    with pytest.raises(subnet.SubnetError, match="AIDC_OPS_LAB_SUBNET"):
        subnet.choose(["10.0.0.0/8"])
