# The part of the settings that says what may be done: modes, the limits of the gate, deadlines.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

# From cautious to bold: decide and record only; a person says yes; act.
MODES = ("observe", "approve", "act")


@dataclass(frozen=True)
class Modes:
    """What each class of action may do. A reset of a group counts as a reset."""

    contain: str = "observe"
    reset: str = "observe"
    reboot: str = "observe"
    restart_service: str = "observe"
    resume: str = "observe"
    power_cycle: str = "observe"
    reload_driver: str = "observe"
    port_reset: str = "observe"
    bmc_reset: str = "observe"
    clean: str = "observe"
    remount: str = "observe"
    fsck: str = "observe"
    converge: str = "observe"
    scale_out: str = "observe"
    failover: str = "observe"
    swap_spare: str = "observe"

    def of(self, action: str) -> str:
        """The mode of one action class."""
        return str(getattr(self, action))


ACTIONS = tuple(item.name for item in fields(Modes))


@dataclass(frozen=True)
class GatePolicy:
    """The limits of the gate; times are in seconds.

    ``per_leaf`` None: leaves are not limited. ``class_modes``: modes of fault classes; of the action's mode and the
    class's mode the more cautious one holds. ``drain_wait_seconds``: how long a drain may take that ends no job.
    ``breaker_rearm_seconds`` None: only a person re-arms the breaker. ``lemon_cases``: a node that was returned so
    often within ``lemon_seconds`` is not returned once more. ``flap_failures``: of a class whose repairs did not last
    that often within ``flap_seconds``, one node at a time is repaired.
    """

    out_percent: float = 10.0
    out_max: int = 20
    per_rack: int = 2
    per_leaf: int | None = None
    per_job: int = 1
    parallel_repairs: int = 4
    resets_per_gpu_per_day: int = 2
    reboots_per_node_per_day: int = 2
    power_cycles_per_node_per_day: int = 1
    event_max_age_seconds: float = 900.0
    drain_deadline_seconds: float = 3600.0
    drain_wait_seconds: float = 604800.0
    force_after_deadline: bool = False
    settle_seconds: float = 300.0
    storm_nodes: int = 10
    storm_seconds: float = 300.0
    breaker_failures: int = 3
    breaker_window_seconds: float = 3600.0
    breaker_rearm_seconds: float | None = None
    approval_expires_seconds: float = 86400.0
    lemon_cases: int = 3
    lemon_seconds: float = 2592000.0
    flap_failures: int = 3
    flap_seconds: float = 86400.0
    modes: Modes = field(default_factory=Modes)
    class_modes: Mapping[str, str] = field(default_factory=dict)

    def mode(self, action: str, fault_class: str) -> str:
        """What an action may do for a fault class: the more cautious of both modes."""
        of_class = self.class_modes.get(fault_class, "act")
        return min(self.modes.of(action), of_class, key=MODES.index)


@dataclass(frozen=True)
class Deadlines:
    """Seconds from the first begin of a step until waiting for it counts as failed."""

    evidence: float = 600.0
    reset: float = 600.0
    reboot: float = 900.0
    validate: float = 900.0
    resume: float = 120.0
    restart_service: float = 300.0
    ticket: float = 120.0
    cordon: float = 120.0
    await_clear: float = 86400.0
    await_idle: float = 604800.0
    notify: float = 120.0
    scale_out: float = 600.0
    failover: float = 600.0
    swap_spare: float = 600.0
    clean: float = 600.0
    port_reset: float = 300.0
    bmc_reset: float = 600.0
    remount: float = 300.0
    reload_driver: float = 600.0
    converge: float = 1800.0
    reset_group: float = 900.0
    fsck: float = 7200.0
    power_cycle: float = 1200.0
