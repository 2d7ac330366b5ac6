# The catalogue: recognises lines and alerts, and orders faults by what they ask for.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.aidc.ops.plugins.module_utils._faults import gpu_lines, overrides
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_benign import BENIGN
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_xid import XIDS
from ansible_collections.aidc.ops.plugins.module_utils._faults.bursts import BURST_SECONDS, LineFault, collapse
from ansible_collections.aidc.ops.plugins.module_utils._faults.devices import alert_device, alert_server, pci_device
from ansible_collections.aidc.ops.plugins.module_utils._faults.heads import heads
from ansible_collections.aidc.ops.plugins.module_utils._faults.model import (
    DEVICES,
    REPAIRS,
    SEVERITIES,
    WHOLE_NODE,
    FaultClass,
    Recognition,
)

if TYPE_CHECKING:
    _Patterns = dict[str, list[tuple[Optional[FaultClass], re.Pattern[str]]]]

# The classes for codes of NVIDIA's table that nobody looked at one by one, and for codes that the table does not have.
OTHER_XID = "gpu_xid_other"
UNKNOWN_XID = "gpu_xid_unknown"
FATAL_SXID = "nvswitch_fatal"
NONFATAL_SXID = "nvswitch_nonfatal"
# No message is read further than this: a log program cuts earlier, and a hostile line may be endless.
MAX_LINE = 4096
# Characters of a pattern's fixed beginning by which patterns are found.
KEY = 3
_RUNGS = {name: number for number, name in enumerate(REPAIRS, 1)}
_NO_PERSON, _PERSON = 0, 1
_RECORDED = -1


class Catalogue:
    """Fault classes, and what follows from them. Immutable; ``with_overrides`` gives another one."""

    def __init__(self, classes: Iterable[FaultClass]) -> None:
        self.classes: Mapping[str, FaultClass] = MappingProxyType({row.name: row for row in classes})
        self._xids = {code: row.name for row in self.classes.values() for code in row.xids}
        self._sxids = {code: row.name for row in self.classes.values() for code in row.sxids}
        # Compiled at the first line: most users of the catalogue never see one.
        self._patterns: _Patterns | None = None

    def recognise_line(self, line: str, driver: int | None = None) -> Recognition | None:
        """What a message of the kernel or of a service says, or None for everything that is no known fault.

        ``driver``: branch of the NVIDIA driver (575), which decides how NVLink5 registers are read. Never raises.
        """
        line = line[:MAX_LINE]
        patterns = self._indexed()
        for at in heads(line):
            if line.startswith("NVRM: Xid", at):
                return self._xid(line[at:], driver)
            if line.startswith("nvidia-nvswitch", at):
                return self._sxid(line[at:])
            for row, pattern in patterns.get(line[at : at + KEY], ()):
                found = pattern.match(line, at)
                if found:
                    return _recognition(row, found) if row else None
        return None

    def recognise_lines(
        self,
        lines: Sequence[str],
        times: Sequence[float] | None = None,
        burst_seconds: float = BURST_SECONDS,
        driver: int | None = None,
    ) -> list[LineFault]:
        """The faults in many lines: of each device, what was said within one burst, each once and the worst first.

        ``times``: seconds of each line, in order; without them everything is one burst. A code that only follows
        another one of its burst has that one as ``leader``.
        """
        return collapse(lines, times, burst_seconds, lambda line: self.recognise_line(line, driver), self.strength)

    def recognise_alert(self, labels: Mapping[str, Any]) -> Recognition | None:
        """The fault that an alert's labels name, or None. Never raises.

        An alert whose device is not understood gives None: it must not become a fault of the whole node.
        """
        name = labels.get("fault_class")
        row = self.classes.get(name) if isinstance(name, str) else None
        if row is None or not row.alerts:
            return None
        device = alert_device(row.device, labels)
        location = alert_server(labels) if row.correlate and row.correlate.by == "server" else ""
        return Recognition(row.name, device, location=location) if device else None

    def strength(self, fault_class: str, action: str = "") -> tuple[int, ...]:
        """Orders faults by what they ask for: a person's hands first, then whether the node is removed, then the rung
        of the ladder that the repair begins at, then severity. What is only recorded comes last."""
        row = self.classes[fault_class]
        severity = SEVERITIES.index(row.severity)
        if action == "none" or not row.workflow:
            return (_NO_PERSON, 0, _RECORDED, severity)
        rung = _RUNGS[row.repairs[0]] if row.repairs else 0
        if row.repairs and action in _RUNGS:
            rung = max(rung, _RUNGS[action])
        # Only hands help, so no reset may give the node back meanwhile. An unknown code is weaker than any answer.
        hands = row.removes_node and not row.repairs and "ticket" in row.workflow and row.name != UNKNOWN_XID
        person = _PERSON if hands or action == "support" else _NO_PERSON
        return (person, int(row.removes_node), rung, severity)

    def with_overrides(self, changes: Mapping[str, Mapping[str, Any]]) -> Catalogue:
        """The catalogue with a site's classes and changes; CatalogueError names the key that is wrong."""
        return Catalogue(overrides.apply(self.classes, changes))

    def _indexed(self) -> _Patterns:
        """The patterns by their first characters; those of benign messages come first and have no class."""
        if self._patterns is None:
            indexed: _Patterns = {}
            pairs: list[tuple[FaultClass | None, str]] = [(None, row[1]) for row in BENIGN]
            pairs += [(row, text) for row in self.classes.values() for text in row.lines]
            for row, text in pairs:
                indexed.setdefault(overrides.beginning(text)[:KEY], []).append((row, re.compile(text)))
            self._patterns = indexed
        return self._patterns

    def _xid(self, message: str, driver: int | None) -> Recognition | None:
        seen = gpu_lines.xid_line(message, driver)
        if seen is None:
            return None
        name = self._xids.get(seen.code, UNKNOWN_XID)
        action = seen.action
        # No class looked at these one by one, so NVIDIA's table decides between a ticket and nothing.
        if name == OTHER_XID and seen.code in XIDS and XIDS[seen.code][2] == "IGNORE":
            action = "none"
        return Recognition(name, pci_device("gpu", seen.pci), seen.code, action, seen.location, seen.leader)

    def _sxid(self, message: str) -> Recognition | None:
        seen = gpu_lines.sxid_line(message)
        if seen is None:
            return None
        name = self._sxids.get(seen.code, UNKNOWN_XID)
        # The driver's word decides between these; a class of the site keeps the codes that it claims.
        if name in (FATAL_SXID, NONFATAL_SXID, UNKNOWN_XID) and seen.fatal is not None:
            name = FATAL_SXID if seen.fatal else NONFATAL_SXID
        return Recognition(name, pci_device("nvswitch", seen.pci), seen.code, location=seen.location)


def _recognition(row: FaultClass, found: re.Match[str]) -> Recognition:
    """Groups of a pattern: domain, bus and slot name a part of the class' own kind; a group with the name of a kind
    names one of that kind; ``location`` and ``code`` are what they say."""
    groups = {name: text for name, text in found.groupdict().items() if text}
    location = groups.get("location", "")
    code = int(groups["code"]) if "code" in groups else None
    for kind in DEVICES:
        if kind and kind in groups:
            return Recognition(row.name, f"{kind}:{groups[kind]}", code, location=location)
    if "bus" in groups and "slot" in groups:
        return Recognition(row.name, pci_device(row.device, found), code, location=location)
    return Recognition(row.name, WHOLE_NODE, code, location=location)
