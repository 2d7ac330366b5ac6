# Where a BMC is and how it lets us in: the options that the modules share that act through one.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts stand in the doc fragment _bmc."""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.basic import env_fallback

from .bmc_control import Place

# An argument that begins with a dash would be an option of ipmitool.
_ADDRESS = re.compile(r"^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)\Z")


def bmc_options(privilege: str, address_required: bool) -> dict[str, dict[str, t.Any]]:
    """Return the argument spec; C(privilege) is the IPMI privilege that the action needs."""
    return {
        "address": {"type": "str", "required": address_required},
        "protocol": {"type": "str", "choices": ["auto", "redfish", "ipmi"], "default": "auto"},
        "port": {"type": "int"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["AIDC_OPS_BMC_PASSWORD"])},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "request_timeout": {"type": "int", "default": 20},
        "ipmi_port": {"type": "int"},
        "ipmi_privilege": {"type": "str", "choices": ["user", "operator", "administrator"], "default": privilege},
        "ipmi_cipher_suite": {"type": "int"},
    }


def mistake(params: t.Mapping[str, t.Any], positive: t.Sequence[str]) -> str | None:
    """Return what cannot be meant by these options, None if they make sense; C(positive) must be at least 1."""
    for name in ("request_timeout", *positive):
        if params[name] < 1:
            return f"{name} must be at least 1, not {params[name]}"
    for name in ("port", "ipmi_port"):
        if params[name] is not None and not 0 < params[name] < 65536:
            return f"{name} must be a port number, not {params[name]}"
    address = params["address"]
    if address is not None and not _ADDRESS.match(address):
        return f"address must be a name or an IP address without port and path, not {address[:100]!r}"
    if address is None and params["protocol"] == "redfish":
        return "Redfish needs an address: in band there is only IPMI"
    return None


def place_of(params: t.Mapping[str, t.Any]) -> Place:
    """Return the place that the options name."""
    return Place(**{name: params[name] for name in Place._fields if name in params})
