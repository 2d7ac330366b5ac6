# What a fault class is, what a recognised signal is, and the words that both use.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Weakest first.
SEVERITIES = ("low", "medium", "high", "critical")
# One node, or a whole domain: then the case has no single node, and nodes of the domain are left alone meanwhile.
NODE_SCOPES = ("device", "node")
DOMAIN_SCOPES = ("rack", "fabric", "service")
SCOPES = NODE_SCOPES + DOMAIN_SCOPES
DOMAINS = ("gpu", "link", "network", "storage", "host", "bmc", "monitoring", "run")
# Kinds of device that a signal may name; "" stands for the node.
DEVICES = ("", "gpu", "nvswitch", "nic", "disk", "filesystem", "memory", "psu", "fan", "unit")
AUTHORITIES = ("automatic", "approval", "never")
DRAINS = ("", "idle", "wait", "deadline", "now")
VALIDATIONS = ("", "V1", "V2", "V3", "Vh", "run")
WORKFLOW_STEPS = (
    "await_idle",
    "cordon",
    "evidence",
    "drain",
    "repair",
    "validate",
    "resume",
    "await_clear",
    "notify",
    "scale_out",
    "failover",
    "ticket",
)
# The further down, the deeper the repair reaches and the more it disturbs.
REPAIRS = (
    "restart_service",
    "clean",
    "port_reset",
    "bmc_reset",
    "remount",
    "reload_driver",
    "converge",
    "reset",
    "reset_group",
    "fsck",
    "reboot",
    "power_cycle",
)
# What the highest authority may have asked for. "": the class decides. "none": it is recorded and opens no case.
ACTIONS = ("", "none", "restart_app", "reset", "reset_group", "reboot", "power_cycle", "support")
REPEAT_SAME = ("device", "location", "node")
CORRELATE_BY = ("rack", "leaf", "server")
DRILL_KINDS = ("line", "gpusim", "metric", "unit", "none")

# The device name of a fault that belongs to no single part.
WHOLE_NODE = "node"


@dataclass(frozen=True)
class Repeat:
    """``count`` faults of a class within ``within_seconds`` at the same ``same`` (device, location or node) make one
    fault of the class ``becomes``.

    What is counted are bursts, not lines: one exception prints dozens of them (see bursts.BURST_SECONDS). A fault that
    names no location does not count for the same location, and one that only follows a leader not at all.
    """

    count: int
    within_seconds: float
    same: str
    becomes: str


@dataclass(frozen=True)
class Correlate:
    """``nodes`` nodes of one domain (``by``: rack, leaf, or server, which Recognition.location names) with this fault
    within ``within_seconds`` are one fault of that domain, of the class ``becomes``."""

    by: str
    nodes: int
    within_seconds: float
    becomes: str


@dataclass(frozen=True)
class FaultClass:
    """One row of the catalogue; the words allowed in each place are the constants above.

    ``rows``: numbers of the published catalogue that it covers, empty for classes of our own. ``device``: kind of
    device that its signals name. ``authority``: automatic, approval (a person approves each action) or never.
    ``workflow``: steps in order, empty means that the fault is only recorded. ``repairs``: the ladder, weakest first;
    "repair" in the workflow stands for it. ``drain``: idle (wait for idleness before the cordon), wait (jobs end by
    themselves), deadline, now. ``validation``: set of checks before the return. ``delay_seconds``: the first step waits
    that long, so that the fault which this one only follows can arrive. ``xids``, ``sxids``: codes of this class.
    ``lines``: patterns of kernel and service messages. ``alerts``: an alert may name this class. ``drill``: how the
    class is provoked in the lab, or why it is not.
    """

    name: str
    title: str
    rows: tuple[int, ...]
    domain: str
    severity: str
    scope: str
    device: str
    authority: str
    workflow: tuple[str, ...]
    repairs: tuple[str, ...]
    drain: str
    validation: str
    delay_seconds: float
    repeat: Repeat | None
    correlate: Correlate | None
    xids: tuple[int, ...]
    sxids: tuple[int, ...]
    lines: tuple[str, ...]
    alerts: bool
    drill: Mapping[str, Any]
    description: str
    sources: tuple[str, ...]

    @property
    def removes_node(self) -> bool:
        """Whether the workflow takes the node out of scheduling."""
        return "cordon" in self.workflow


@dataclass(frozen=True)
class Recognition:
    """A signal understood.

    ``device``: the part, for instance gpu:0000:1b:00, nic:mlx5_0, disk:nvme4n1, filesystem:/mnt/x, unit:slurmd.service,
    or node. ``code``: XID or SXID. ``action``: one of ACTIONS. ``location``: GPC and TPC, link, or the server of a file
    system that hangs. ``leader``: the code in the same burst that this one only follows (see recognise_lines).
    """

    fault_class: str
    device: str
    code: int | None = None
    action: str = ""
    location: str = ""
    leader: int | None = None


def class_of_row(row: Mapping[str, Any]) -> FaultClass:
    """The class of one row of the compiled table."""
    values = dict(row)
    values["repeat"] = Repeat(**values["repeat"]) if values["repeat"] else None
    values["correlate"] = Correlate(**values["correlate"]) if values["correlate"] else None
    return FaultClass(**values)
