# Where a signal belongs: only recorded, into a case that is open, to one that is closed, or into a new one.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.aidc.ops.plugins.module_utils._cases import domains, echoes, faults, progress, repeats, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.domains import Domain
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import LASTING
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    HELD,
    OPEN,
    QUARANTINED,
    SCOPE_NODE,
    Signal,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._faults import (
    REPAIRS,
    WHOLE_NODE,
    FaultClass,
    Recognition,
)

# Of one fault this many signals are told in the history of its case.
_MAX_TOLD = 100
_REBOOTS = ("reboot", "power_cycle")
_WAITS = ("await_clear", "await_idle")


class Placed(NamedTuple):
    """``disposition``: opened, merged, recorded, follower, old_boot, closed_case or settling. ``seen`` is the signal's
    recognition, of the class that it became where it was repeated too often."""

    disposition: str
    case_id: int | None
    seen: Recognition


class Subject(NamedTuple):
    """What a case is about: a node, or a domain (``scope``) under the name that stands for one."""

    node: str
    node_id: str
    scope: str = SCOPE_NODE


class Placer:
    """Finds or opens the cases of the signals of one transaction; ``new`` and ``merged`` are their ids."""

    def __init__(self, db: Connection, now: float, settings: Settings) -> None:
        self.db = db
        self.now = now
        self.settings = settings
        self.new: list[int] = []
        self.merged: list[int] = []
        # Domains in which something new was seen, and the class of their case, in order of appearance.
        self._touched: dict[tuple[Domain, str], None] = {}

    def place(self, signal: Signal, seen: Recognition, node_id: str, boot: str, observed: float) -> Placed:
        """Where the signal belongs. Opens its case, or merges into the one that is open."""
        case = rows.open_case_of(self.db, node_id)
        case_id = case["id"] if case is not None else None
        if seen.action == "none":
            self._fault(signal, seen, node_id, boot, observed, case_id, acting=False)
            return Placed("recorded", case_id, seen)
        if repeats.follows(self.db, self.settings, signal, seen, node_id, observed):
            self._fault(signal, seen, node_id, boot, observed, case_id, acting=False)
            return Placed("follower", case_id, seen)
        found = repeats.promoted(self.db, self.now, self.settings, signal, seen, node_id, observed)
        fault = self.settings.catalogue.classes[found.fault_class]
        if not fault.workflow:
            self._touch(fault, signal.node, found.location)
            self._fault(signal, found, node_id, boot, observed, case_id, acting=False)
            return Placed("recorded", case_id, found)
        subject = self._subject(signal.node, node_id, fault, found)
        if subject.scope != SCOPE_NODE:
            case = rows.open_case_of(self.db, subject.node_id)
        if case is not None:
            placed = Placed("merged", case["id"], found)
            self._merge(case, subject, signal, found, boot, observed)
        else:
            look = echoes.over_for_line if signal.lane == "kernel" else echoes.over_for_report
            over = look(self.db, self.now, self.settings, found, subject.node_id, boot, observed)
            if over is not None:
                return Placed(over[0], over[1], found)
            placed = Placed("opened", self._open(subject, signal, found, boot, observed), found)
        if found.fault_class != seen.fault_class:
            text = f"{seen.fault_class} on {seen.device} happened again and counts as {found.fault_class}."
            rows.log(self.db, self.now, placed.case_id, "promoted", text, detail={"from": seen.fault_class})
        self._touch(fault, signal.node, found.location)
        return placed

    def correlate(self) -> None:
        """Makes one case of a whole domain out of faults of several of its nodes at once, and holds those nodes."""
        for domain, becomes in self._touched:
            open_case = rows.open_case_of(self.db, domain.node_id)
            covered = open_case is not None and any(
                row["fault_class"] == becomes for row in rows.acting_faults(self.db, open_case["id"])
            )
            if not covered:
                nodes = domains.burst(self.db, self.now, self.settings, domain, becomes)
                if not nodes:
                    continue
                self._domain_case(open_case, domain, becomes, len(nodes))
            self._inhibit(domain, becomes)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _subject(self, node: str, node_id: str, fault: FaultClass, seen: Recognition) -> Subject:
        domain = domains.of_class(self.settings, fault, node, seen.location)
        return Subject(domain.node, domain.node_id, domain.by) if domain is not None else Subject(node, node_id)

    def _touch(self, fault: FaultClass, node: str, location: str) -> None:
        if fault.correlate is not None and fault.correlate.becomes in self.settings.catalogue.classes:
            domain = domains.of_node(self.settings, fault.correlate.by, node, location)
            if domain is not None:
                self._touched[domain, fault.correlate.becomes] = None

    def _open(self, subject: Subject, signal: Signal, seen: Recognition, boot: str, observed: float) -> int:
        case_id = self._new_case(subject, seen)
        self._fault(signal, seen, subject.node_id, boot, observed, case_id)
        self._log_signal(signal, seen, boot, case_id)
        self._log_opened(case_id, subject, seen)
        progress.advance(self.db, case_id, self.now, self.settings)
        return case_id

    def _new_case(self, subject: Subject, seen: Recognition) -> int:
        case_id = self.db.insert(
            "INSERT INTO cases (node, node_id, scope, state, fault_class, action, opened_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                subject.node,
                subject.node_id,
                subject.scope,
                OPEN,
                seen.fault_class,
                seen.action,
                self.now,
                self.now,
            ),
        )
        self.new.append(case_id)
        return case_id

    def _log_opened(self, case_id: int, subject: Subject, seen: Recognition) -> None:
        title = self.settings.catalogue.classes[seen.fault_class].title
        rows.log(self.db, self.now, case_id, "opened", f"{title} on {subject.node}, {seen.device}.", detail=vars(seen))

    def _merge(
        self, case: Row, subject: Subject, signal: Signal, seen: Recognition, boot: str, observed: float
    ) -> None:
        case_id = case["id"]
        number = self._fault(signal, seen, subject.node_id, boot, observed, case_id)
        if number <= _MAX_TOLD:
            self._log_signal(signal, seen, boot, case_id)
        if number == 1:
            rows.log(self.db, self.now, case_id, "merged", f"{seen.fault_class} on {seen.device}.", detail=vars(seen))
        self.merged.append(case_id)
        stronger = self._stronger(case, seen)
        if case["state"] == QUARANTINED:
            # A node that is out stays out. One that serves in spite of an open ticket must not keep a worse fault.
            if not stronger or rows.took_out(self.db, case_id):
                return
            rows.log(self.db, self.now, case_id, "state", f"Taken up again: {seen.fault_class} is worse.")
        running = rows.running_attempt(self.db, case_id)
        again = signal.lane == "kernel" and self._undoes_repair(case, seen, boot, observed)
        if again or case["state"] == QUARANTINED:
            rows.update_case(self.db, case_id, self.now, epoch=case["epoch"] + 1)
        if stronger:
            rows.update_case(
                self.db,
                case_id,
                self.now,
                fault_class=seen.fault_class,
                action=seen.action,
                approved_step=None,
            )
        if running is not None and (again or stronger) and running["step"] in _WAITS:
            # Whoever waits for a weaker fault to go away must not keep a worse one waiting.
            self.db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = 'abandoned' WHERE id = ?", (self.now, running["id"])
            )
            running = None
        # A step that acts is finished first; what comes then is worked out with the new fault in view.
        if running is None and (again or stronger or case["hold_reason"] == "stale"):
            progress.advance(self.db, case_id, self.now, self.settings)

    def _stronger(self, case: Row, seen: Recognition) -> bool:
        catalogue = self.settings.catalogue
        return repeats.rank(catalogue, seen.fault_class, seen.action) > repeats.rank(
            catalogue, case["fault_class"], case["action"]
        )

    def _undoes_repair(self, case: Row, seen: Recognition, boot: str, observed: float) -> bool:
        """Whether a kernel line shows that the case's last repair did not help, so that it all starts again.

        Alerts never do: they lag behind, and the validation asks the device itself.
        """
        fault = self.settings.catalogue.classes[seen.fault_class]
        if not fault.repairs and not fault.removes_node:
            # An error of a program says nothing about the repair of a device.
            return False
        listed, values = rows.among("step", REPAIRS)
        repair = self.db.execute(
            f"SELECT * FROM attempts WHERE case_id = ? AND epoch = ? AND {listed} "  # noqa: S608
            "AND (ended_at IS NULL OR outcome = 'done') ORDER BY id DESC LIMIT 1",
            (case["id"], case["epoch"], *values),
        ).fetchone()
        if repair is None:
            return False
        if repair["step"] in _REBOOTS and boot and repair["boot_before"]:
            return bool(boot != repair["boot_before"])
        return bool(observed > repair["began_at"])

    def _fault(
        self,
        signal: Signal,
        seen: Recognition,
        node_id: str,
        boot: str,
        observed: float,
        case_id: int | None,
        acting: bool = True,
    ) -> int:
        kernel = signal.lane == "kernel"
        return faults.add(self.db, self.now, self.settings, kernel, seen, node_id, boot, observed, case_id, acting)

    def _log_signal(self, signal: Signal, seen: Recognition, boot: str, case_id: int) -> None:
        detail = {"lane": signal.lane, "observed_at": signal.observed_at, "boot": boot, **vars(seen)}
        rows.log(self.db, self.now, case_id, "signal", signal.text, detail=detail)

    # --- domains -----------------------------------------------------------------------------------------------------

    def _domain_case(self, case: Row | None, domain: Domain, becomes: str, count: int) -> None:
        seen = Recognition(becomes, WHOLE_NODE, location=domain.value)
        if case is None:
            subject = Subject(domain.node, domain.node_id, domain.by)
            case_id = self._new_case(subject, seen)
            self._log_opened(case_id, subject, seen)
        else:
            case_id = case["id"]
            self.merged.append(case_id)
            if self._stronger(case, seen):
                rows.update_case(self.db, case_id, self.now, fault_class=becomes, action="")
        self.db.execute(
            "INSERT INTO faults (node_id, fault_class, device, boot, first_seen, last_seen, signals, case_id, "
            "location) VALUES (?, ?, ?, '', ?, ?, ?, ?, ?)",
            (domain.node_id, becomes, WHOLE_NODE, self.now, self.now, count, case_id, rows.storable(domain.value)),
        )
        text = f"{count} nodes of {domain.node} show it at once; nothing is done to single nodes."
        rows.log(self.db, self.now, case_id, "correlated", text, detail={"nodes": count, "fault_class": becomes})
        if case is None or rows.running_attempt(self.db, case_id) is None:
            progress.advance(self.db, case_id, self.now, self.settings)

    def _inhibit(self, domain: Domain, becomes: str) -> None:
        """Lets the cases of the domain's nodes wait that have not acted yet. (Those that have, the gate stops.)"""
        listed, values = rows.among("fault_class", domains.covered_classes(self.settings, [becomes]))
        found = self.db.execute(
            f"SELECT * FROM cases WHERE closed_at IS NULL AND scope = 'node' AND {listed} ORDER BY id",  # noqa: S608
            values,
        ).fetchall()
        for case in found:
            locations = [item["location"] for item in rows.acting_faults(self.db, case["id"])]
            fault = self.settings.catalogue.classes[case["fault_class"]]
            inside = fault.correlate is not None and domain in [
                domains.of_node(self.settings, fault.correlate.by, case["node"], location) for location in locations
            ]
            waits = case["state"] == HELD and case["hold_reason"] in (*LASTING, "inhibited")
            acted = self.db.execute(
                "SELECT 1 FROM attempts WHERE case_id = ? AND step = 'cordon'", (case["id"],)
            ).fetchone()
            if inside and not waits and acted is None and case["state"] != QUARANTINED:
                text = f"Covered by the case of {domain.node}."
                if rows.running_attempt(self.db, case["id"]) is None:
                    progress.hold(self.db, case["id"], self.now, "inhibited", text)
