# The words of remediation as data: signals, cases, grants; and the names that other parts rely on.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS, WORKFLOW_STEPS, Recognition

# What every Slurm reason (and every other owner mark) of ours begins with.
OWNER_PREFIX = "aidc.ops:"

# Version of the shape in which cases and faults are given out; it only grows by additions.
SCHEMA_VERSION = 1

SOURCE_KERNEL = "kernel_log"
SOURCE_ALERTS = "alertmanager"
SOURCE_WATCHDOG = "watchdog"

OPEN = "open"
HELD = "held"
QUARANTINED = "quarantined"
OPEN_STATES = (OPEN, HELD, QUARANTINED)
RETURNED = "returned"
RESOLVED = "resolved"
OBSERVED = "observed"
CANCELLED = "cancelled"
CLOSED_STATES = (RETURNED, RESOLVED, OBSERVED, CANCELLED)

# What an attempt may be at: "repair" in a workflow stands for the rungs of a ladder, each a step of its own.
STEPS = (*(step for step in WORKFLOW_STEPS if step != "repair"), *REPAIRS, "swap_spare")

# Steps that pass the gate, and the action class whose mode rules them.
ACTION_OF_STEP = {
    "cordon": "contain",
    **{step: step for step in (*REPAIRS, "resume", "scale_out", "failover", "swap_spare")},
    "reset_group": "reset",
}

# What a case is about: one node, or everything behind one rack, leaf switch or server.
SCOPE_NODE = "node"
DOMAIN_SCOPES = ("rack", "leaf", "server")

# Who sent the evidence. Kernel lines are events; what the other lanes report holds until they take it back.
LANES = ("kernel", "alert", "bmc", "run")


@dataclass(frozen=True)
class Signal:
    """Raw evidence about one node, already checked for size and shape, not yet judged.

    ``lane`` is one of LANES. ``boot`` is the boot identity or None when the lane does not tell. ``observed_at`` is in
    seconds since the epoch: the node's time of a kernel line, an alert's startsAt. ``dedup_key`` is the same for every
    delivery of the same evidence. ``text`` is foreign text: data, never a template and never a command.
    ``recognition`` is None for a line that no fault class knows. ``cleared`` says that its sender takes it back, as an
    alert that stopped firing.
    """

    lane: str
    node: str
    boot: str | None
    observed_at: float
    dedup_key: str
    text: str
    recognition: Recognition | None
    cleared: bool = False


@dataclass(frozen=True)
class FiringAlert:
    """An alert that the ledger saw firing and not cleared yet (see intake.cleared_alerts)."""

    dedup_key: str
    node: str
    observed_at: float
    text: str
    recognition: Recognition


@dataclass(frozen=True)
class RecordResult:
    """What a batch of signals did.

    ``refused`` holds (reason, detail) for each signal that made nothing: old_boot, closed_case, settling,
    unknown_node, duplicate. (What intake refused before is not repeated here.)
    """

    new_case_ids: tuple[int, ...] = ()
    merged_case_ids: tuple[int, ...] = ()
    cleared_case_ids: tuple[int, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Fault:
    """Signals of one class about one device in one boot. Times are seconds since the epoch.

    ``boot`` is None where no signal told it. ``signals`` counts them; ``case_id`` is None for what is only recorded.
    ``action`` is the strongest one that was asked for and ``location`` the part of the device (see
    _faults.Recognition). ``acting`` False: it was recorded, and asks for nothing.
    """

    node_id: str
    fault_class: str
    device: str
    boot: str | None
    first_seen: float
    last_seen: float
    signals: int
    case_id: int | None
    action: str = ""
    location: str = ""
    acting: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as docs/schemas/fault.schema.json describes them."""
        return {"schema_version": SCHEMA_VERSION, **vars(self)}


@dataclass(frozen=True)
class Case:
    """One remediation as the ledger sees it now. Times are seconds since the epoch.

    ``step`` is the next step (None: nothing to do by itself), due at ``due_at``. ``fault_class`` is the one whose
    workflow rules; ``fault_classes`` are all that were merged. ``token`` marks what we own ("aidc.ops:<id>");
    ``reason`` is the text for the scheduler ("aidc.ops:<id> <fault_class>"). ``hold_reason`` says why a held case
    waits. ``outcome`` is set when the case is closed and equals ``state`` then. ``scope``: node, or rack, leaf or
    server for a case of everything behind one of these (``node`` is then "rack:A1"). ``action`` is the
    strongest one that was asked for. ``approved_by`` and ``approved_at``: who approved a step of it last.
    """

    id: int
    node: str
    node_id: str
    state: str
    step: str | None
    due_at: float | None
    fault_class: str
    fault_classes: tuple[str, ...]
    devices: tuple[str, ...]
    hold_reason: str | None
    hold_text: str | None
    opened_at: float
    updated_at: float
    closed_at: float | None
    outcome: str | None
    lease_holder: str | None
    lease_expires_at: float | None
    scope: str = SCOPE_NODE
    action: str = ""
    approved_by: str | None = None
    approved_at: float | None = None

    @property
    def token(self) -> str:
        """The owner mark of this case."""
        return owner_token(self.id)

    @property
    def reason(self) -> str:
        """The reason that the scheduler shows for a node which this case took out."""
        return f"{self.token} {self.fault_class}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as docs/schemas/case.schema.json describes them."""
        result: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "id"}
        result.update(
            schema_version=SCHEMA_VERSION,
            case_id=self.id,
            fault_classes=list(self.fault_classes),
            devices=list(self.devices),
            token=self.token,
            reason=self.reason,
        )
        return result


@dataclass(frozen=True)
class Grant:
    """The answer to "may I do this step now?".

    ``proceed`` False: do nothing; ``reason`` is a gate reason code, or not_due, closed, deadline.
    ``resumed`` True: the step was begun before and nobody said how it ended, so verify first and act only when it
    is certain that the action never happened. ``attempt`` numbers the attempts at this step in this case from 1.
    ``deadline`` is the absolute time after which waiting counts as failed.

    ``context`` keys: node, token, attempt_token (unique for each attempt: the marker for node_reboot and gpu_reset),
    reason (Slurm reason), fault_class, fault_classes, devices (list; those of the ruling class), all_devices,
    validation (name of the ruling class's validation set), validations (list: that one first, and those of the other
    classes that it does not include), boot_before (newest boot identity known, or None), cleared (bool: whatever
    reported the fault stopped to), force (bool: the drain may end jobs now), opened_at, began_at (first begin of this
    attempt), drained (bool, None when the scheduler could not be read), jobs (ids of the jobs on the node), foreign
    (bool: somebody else took the node out), scope, location (of the ruling class's fault), codes (list of XIDs), action
    (the strongest asked for), repairs (list: the ladder from where it starts), rung (the step itself where it is a
    rung, else ""), drain (policy), preview (list of the steps where all goes well), nodes (list: the nodes of the
    domain that show the fault; [node] for a case of one node), spares (list: nodes that could take its place).
    """

    proceed: bool
    resumed: bool
    reason: str
    text: str
    attempt: int
    deadline: float | None
    context: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a module's answer."""
        return {**vars(self), "context": dict(self.context)}


@dataclass(frozen=True)
class NextStep:
    """What follows a finished step: ``step`` None means that the case waits for nobody or is closed."""

    step: str | None
    due_at: float | None
    state: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a module's answer."""
        return {"step": self.step, "due_at": self.due_at, "state": self.state}


@dataclass(frozen=True)
class Event:
    """One line of a case's history: what happened when. ``detail`` is plain JSON data."""

    at: float
    kind: str
    step: str | None
    text: str
    detail: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a module's answer."""
        return {"at": self.at, "kind": self.kind, "step": self.step, "text": self.text, "detail": dict(self.detail)}


class NodeView(Protocol):
    """What the gate reads of a node in the scheduler (see _engines.EngineNode)."""

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def out(self) -> bool: ...

    @property
    def drained(self) -> bool: ...

    @property
    def automatic(self) -> bool: ...

    @property
    def jobs(self) -> tuple[int | str, ...]: ...


class EngineView(Protocol):
    """What containment needs of a scheduler (see _engines.Engine)."""

    def nodes(self) -> Mapping[str, NodeView]: ...

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool: ...


def owner_token(case_id: int) -> str:
    """The mark by which a node taken out by this case is known."""
    return f"{OWNER_PREFIX}{case_id}"
