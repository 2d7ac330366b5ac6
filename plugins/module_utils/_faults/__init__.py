# The fault catalogue: what a kernel line or an alert means, and what each fault class asks for.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._faults._table import ROWS


@dataclass(frozen=True)
class FaultClass:
    """One row of the catalogue.

    ``severity``: critical, high, medium, low. ``scope``: gpu or node. ``workflow``: steps in order; empty means that
    the fault is only recorded. ``validation``: name of the validation set, "" if there is none. ``authority``:
    automatic, approval (a person approves each action) or never. ``retry_after_failed_validation``: repair once
    more (within the caps) instead of opening a ticket at once. ``xids``: codes of this class; ``alerts``: an alert
    may name this class.
    """

    name: str
    title: str
    severity: str
    scope: str
    workflow: tuple[str, ...]
    validation: str
    authority: str
    retry_after_failed_validation: bool
    xids: tuple[int, ...]
    any_other_xid: bool
    lines: tuple[str, ...]
    alerts: bool
    description: str
    sources: tuple[str, ...]

    @property
    def removes_node(self) -> bool:
        """Whether the workflow takes the node out of scheduling."""
        return "cordon" in self.workflow


@dataclass(frozen=True)
class Recognition:
    """A signal understood: which fault, on which device ("gpu:0000:1b:00" or "node"), with which XID if any."""

    fault_class: str
    device: str
    code: int | None


# The device name of a fault that belongs to no single part.
WHOLE_NODE = "node"

CLASSES: dict[str, FaultClass] = {row["name"]: FaultClass(**row) for row in ROWS}

_SEVERITIES = ("low", "medium", "high", "critical")
# The further down, the deeper the repair reaches.
_REPAIRS = ("restart_service", "reset", "reboot")


def strength(fault_class: str) -> tuple[int, int, int]:
    """Orders fault classes: the deepest repair first, then removal of the node, then severity."""
    row = CLASSES[fault_class]
    depth = max((_REPAIRS.index(step) + 1 for step in row.workflow if step in _REPAIRS), default=0)
    return (depth, int(row.removes_node), _SEVERITIES.index(row.severity))


# The driver speaks at the start of a message. What may stand before is what log programs add there (a priority, times
# in brackets, a host name). A quote or an equals sign means that another program repeats the words, which is no fault.
_BEFORE = r"""^(?:(?!NVRM)[^"'=`]){0,96}?(?<![^\s\]>:#])"""
_PCI = r"(?:PCI:)?(?P<domain>[0-9a-fA-F]{4,8}):(?P<bus>[0-9a-fA-F]{2}):(?P<slot>[0-9a-fA-F]{2})(?:\.[0-7])?"
_XID_LINE = re.compile(_BEFORE + r"NVRM: Xid \(" + _PCI + r"\): (?P<code>[0-9]{1,6})(?=[,\s]|$)")
_DEVICE_LINES = tuple((name, re.compile(_BEFORE + pattern)) for name, row in CLASSES.items() for pattern in row.lines)
_XID_CLASS = {code: name for name, row in CLASSES.items() for code in row.xids}
_OTHER_XID = next(name for name, row in CLASSES.items() if row.any_other_xid)
_ALERT_PCI = re.compile(_PCI)


def device_of_pci(pci: str) -> str | None:
    """The device name for a PCI id in any usual writing ("00000000:1B:00.0", "PCI:0000:1b:00"); None if it is none."""
    found = _ALERT_PCI.fullmatch(pci)
    return _device(found) if found else None


def recognise_line(line: str) -> Recognition | None:
    """What a kernel message says about a device, or None for everything that is no known fault. Never raises."""
    found = _XID_LINE.match(line)
    if found:
        code = int(found.group("code"))
        return Recognition(_XID_CLASS.get(code, _OTHER_XID), _device(found), code)
    for name, pattern in _DEVICE_LINES:
        found = pattern.match(line)
        if found:
            return Recognition(name, _device(found), None)
    return None


def recognise_alert(labels: Mapping[str, str]) -> Recognition | None:
    """The fault that an alert's labels name (fault_class, pci_bus_id), or None. Never raises.

    An alert with a pci_bus_id that is no PCI id is not understood: it must not become a fault of the whole node.
    """
    name = labels.get("fault_class")
    if not isinstance(name, str) or name not in CLASSES or not CLASSES[name].alerts:
        return None
    pci = labels.get("pci_bus_id")
    if pci is None or pci == "" or CLASSES[name].scope == WHOLE_NODE:
        return Recognition(name, WHOLE_NODE, None)
    device = device_of_pci(pci) if isinstance(pci, str) else None
    return Recognition(name, device, None) if device else None


def _device(found: re.Match[str]) -> str:
    domain = int(found.group("domain") or "0", 16)
    return f"gpu:{domain:04x}:{found.group('bus').lower()}:{found.group('slot').lower()}"
