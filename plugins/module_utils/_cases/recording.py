# From signals to faults and cases: identity, merging, replay, settling. Runs inside one ledger transaction.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ansible_collections.aidc.ops.plugins.module_utils._cases import boots, progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    CANCELLED,
    OBSERVED,
    OPEN,
    QUARANTINED,
    RESOLVED,
    RETURNED,
    RecordResult,
    Signal,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, Recognition, strength

# A broken device repeats itself thousands of times. Of one fault this many signals are kept in full, then only counted.
MAX_SIGNALS_PER_FAULT = 100

_REPAIRED = (RETURNED, RESOLVED)


def record(
    db: sqlite3.Connection,
    now: float,
    signals: Sequence[Signal],
    cursor: tuple[str, str] | None,
    settings: Settings,
    refused: Sequence[tuple[str, str]],
) -> RecordResult:
    """See Ledger.record."""
    batch = _Batch(db, now, settings)
    for signal in signals:
        batch.take(signal)
    rows.refuse(db, now, [*refused, *batch.refused])
    if batch.new:
        progress.check_storm(db, now, settings.gate)
    if cursor is not None:
        db.execute("INSERT OR REPLACE INTO cursors (source, position) VALUES (?, ?)", cursor)
    return RecordResult(
        new_case_ids=tuple(dict.fromkeys(batch.new)),
        merged_case_ids=tuple(number for number in dict.fromkeys(batch.merged) if number not in batch.new),
        cleared_case_ids=tuple(dict.fromkeys(batch.cleared)),
        refused=tuple(batch.refused),
    )


class _Batch:
    """The signals of one transaction, one after the other."""

    def __init__(self, db: sqlite3.Connection, now: float, settings: Settings) -> None:
        self.db = db
        self.now = now
        self.settings = settings
        self.new: list[int] = []
        self.merged: list[int] = []
        self.cleared: list[int] = []
        self.refused: list[tuple[str, str]] = []

    def take(self, signal: Signal) -> None:
        if signal.node not in self.settings.nodes:
            self.refused.append(("unknown_node", signal.node))
        elif signal.cleared:
            self._clear(signal)
        elif signal.lane == "kernel":
            self._kernel(signal)
        elif signal.recognition is not None:
            self._alert(signal, signal.recognition)

    # --- kernel lane: every line is an event of its own --------------------------------------------------------------

    def _kernel(self, signal: Signal) -> None:
        node_id = self.settings.node_id(signal.node)
        # A clock that runs ahead must not make a boot look newer than those that follow.
        observed = min(signal.observed_at, self.now)
        current = not signal.boot or boots.learn(self.db, node_id, signal.boot, observed)
        seen = signal.recognition
        if seen is None:
            return
        if self._known(signal.dedup_key):
            self.refused.append(("duplicate", f"{signal.node}: {signal.text}"))
            return
        boot = signal.boot or boots.newest(self.db, node_id)
        if not current:
            self.refused.append(("old_boot", f"{signal.node}: {signal.text}"))
            self._keep(signal, seen, node_id, boot, "old_boot", None)
            return
        disposition, case_id = self._place(signal, seen, node_id, boot, observed)
        self._keep(signal, seen, node_id, boot, disposition, case_id)
        if disposition == "closed_case":
            self.refused.append((disposition, f"{signal.node}: {signal.text}"))

    # --- alert lane: the same alert comes again with every poll ------------------------------------------------------

    def _alert(self, signal: Signal, seen: Recognition) -> None:
        node_id = self.settings.node_id(signal.node)
        known = self._known(signal.dedup_key)
        if known is not None:
            self.db.execute("UPDATE signals SET last_seen = ?, cleared_at = NULL WHERE id = ?", (self.now, known["id"]))
            if self._still_placed(known, seen, node_id):
                return
        boot = boots.newest(self.db, node_id)
        # A clock that runs ahead must not make an alert look newer than when it was first received.
        observed = min(signal.observed_at, self.now if known is None else known["received_at"])
        disposition, case_id = self._place(signal, seen, node_id, boot, observed)
        if known is None:
            self._keep(signal, seen, node_id, boot, disposition, case_id)
        else:
            self.db.execute(
                "UPDATE signals SET disposition = ?, case_id = ? WHERE id = ?", (disposition, case_id, known["id"])
            )
        if disposition in ("settling", "closed_case") and (known is None or known["disposition"] != disposition):
            self.refused.append((disposition, f"{signal.node}: {signal.text}"))

    def _still_placed(self, known: sqlite3.Row, seen: Recognition, node_id: str) -> bool:
        """Whether the alert belongs to an open case (or is only recorded) already; its fault is kept fresh then."""
        if known["disposition"] not in ("opened", "merged", "recorded"):
            return False
        if known["disposition"] != "recorded":
            case = self.db.execute("SELECT closed_at FROM cases WHERE id = ?", (known["case_id"],)).fetchone()
            if case is None or case["closed_at"] is not None:
                return False
        self.db.execute(
            "UPDATE faults SET last_seen = ? WHERE node_id = ? AND fault_class = ? AND device = ? AND case_id IS ?",
            (self.now, node_id, seen.fault_class, seen.device, known["case_id"]),
        )
        return True

    def _clear(self, signal: Signal) -> None:
        known = self._known(signal.dedup_key)
        if known is None or known["cleared_at"] is not None:
            return
        self.db.execute("UPDATE signals SET cleared_at = ? WHERE id = ?", (self.now, known["id"]))
        if known["case_id"] is None:
            return
        case = rows.case_row(self.db, known["case_id"])
        if case["closed_at"] is not None:
            return
        self.cleared.append(case["id"])
        rows.log(self.db, self.now, case["id"], "cleared", known["text"], detail={"lane": "alert"})
        running = rows.running_attempt(self.db, case["id"])
        if running is not None and running["step"] != "await_clear":
            return
        if not CLASSES[case["fault_class"]].removes_node and rows.alerts_cleared(self.db, case["id"]):
            self._end_waiting(running)
            progress.advance(self.db, case["id"], self.now, self.settings)

    def _end_waiting(self, running: sqlite3.Row | None) -> None:
        if running is not None:
            self.db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = 'done' WHERE id = ?", (self.now, running["id"])
            )

    # --- both lanes --------------------------------------------------------------------------------------------------

    def _known(self, dedup_key: str) -> sqlite3.Row | None:
        return self.db.execute("SELECT * FROM signals WHERE dedup_key = ?", (dedup_key,)).fetchone()

    def _place(
        self, signal: Signal, seen: Recognition, node_id: str, boot: str, observed: float
    ) -> tuple[str, int | None]:
        """Where the signal belongs: (disposition, case). Opens the case or merges into the one that is open."""
        case = rows.open_case_of(self.db, node_id)
        if not CLASSES[seen.fault_class].workflow:
            case_id = case["id"] if case is not None else None
            self._fault(seen, node_id, boot, observed, signal, case_id)
            return "recorded", case_id
        if case is not None:
            self._merge(case, signal, seen, node_id, boot, observed)
            return "merged", case["id"]
        over = (self._over_for_line if signal.lane == "kernel" else self._over_for_alert)(seen, node_id, boot, observed)
        if over is not None:
            return over
        return "opened", self._open(signal, seen, node_id, boot, observed)

    def _open(self, signal: Signal, seen: Recognition, node_id: str, boot: str, observed: float) -> int:
        made = self.db.execute(
            "INSERT INTO cases (node, node_id, state, fault_class, opened_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            (signal.node, node_id, OPEN, seen.fault_class, self.now, self.now),
        )
        case_id = int(made.lastrowid or 0)
        self._fault(seen, node_id, boot, observed, signal, case_id)
        self._log_signal(signal, seen, boot, case_id)
        title = CLASSES[seen.fault_class].title
        rows.log(self.db, self.now, case_id, "opened", f"{title} on {signal.node}, {seen.device}.", detail=vars(seen))
        progress.advance(self.db, case_id, self.now, self.settings)
        self.new.append(case_id)
        return case_id

    def _merge(
        self, case: sqlite3.Row, signal: Signal, seen: Recognition, node_id: str, boot: str, observed: float
    ) -> None:
        case_id = case["id"]
        number = self._fault(seen, node_id, boot, observed, signal, case_id)
        if number <= MAX_SIGNALS_PER_FAULT:
            self._log_signal(signal, seen, boot, case_id)
        if number == 1:
            rows.log(self.db, self.now, case_id, "merged", f"{seen.fault_class} on {seen.device}.", detail=vars(seen))
        self.merged.append(case_id)
        if case["state"] == QUARANTINED:
            return
        running = rows.running_attempt(self.db, case_id)
        again = signal.lane == "kernel" and self._undoes_repair(case, boot, observed)
        if again:
            rows.update_case(self.db, case_id, self.now, epoch=case["epoch"] + 1)
        stronger = strength(seen.fault_class) > strength(case["fault_class"])
        if stronger:
            rows.update_case(self.db, case_id, self.now, fault_class=seen.fault_class, approved_step=None)
        # A step under way is finished first; what comes then is worked out with the new fault in view.
        if running is None and (again or stronger or case["hold_reason"] == "stale"):
            progress.advance(self.db, case_id, self.now, self.settings)

    def _undoes_repair(self, case: sqlite3.Row, boot: str, observed: float) -> bool:
        """Whether a kernel line shows that the case's last repair did not help, so that it all starts again.

        Alerts never do: they lag behind, and the validation asks the device itself.
        """
        repair = self.db.execute(
            "SELECT * FROM attempts WHERE case_id = ? AND epoch = ? AND step IN ('reset', 'reboot', 'restart_service') "
            "AND (ended_at IS NULL OR outcome = 'done') ORDER BY id DESC LIMIT 1",
            (case["id"], case["epoch"]),
        ).fetchone()
        if repair is None:
            return False
        if repair["step"] == "reboot" and boot and repair["boot_before"]:
            return bool(boot != repair["boot_before"])
        return bool(observed > repair["began_at"])

    def _over_for_line(self, seen: Recognition, node_id: str, boot: str, observed: float) -> tuple[str, int] | None:
        """The closed case that a kernel line speaks about, if it tells nothing new."""
        row = self.db.execute(
            "SELECT c.id, c.state, c.closed_at FROM faults f JOIN cases c ON c.id = f.case_id "
            "WHERE f.node_id = ? AND f.fault_class = ? AND f.device = ? AND c.closed_at IS NOT NULL "
            "AND (f.boot = ? OR f.boot = '' OR ? = '') ORDER BY c.closed_at DESC LIMIT 1",
            (node_id, seen.fault_class, seen.device, boot, boot),
        ).fetchone()
        # After a repair in the same boot (a reset), a line from later than the return is a new fault of that device.
        if row is not None and not (row["state"] in _REPAIRED and observed > row["closed_at"]):
            return "closed_case", row["id"]
        rebooted = self.db.execute(
            "SELECT c.id FROM cases c JOIN attempts r ON r.case_id = c.id AND r.step = 'reboot' AND r.outcome = 'done' "
            "JOIN attempts v ON v.case_id = c.id AND v.step = 'validate' AND v.outcome = 'done' "
            "WHERE c.node_id = ? AND c.state = ? AND v.began_at >= ? "
            "AND (r.boot_before = ? OR r.boot_before = '' OR ? = '') LIMIT 1",
            (node_id, RETURNED, observed, boot, boot),
        ).fetchone()
        # The node was rebooted and has passed a validation since, whatever the class was under which that happened.
        return ("closed_case", rebooted["id"]) if rebooted is not None else None

    def _over_for_alert(self, seen: Recognition, node_id: str, boot: str, observed: float) -> tuple[str, int] | None:
        """The closed case that an alert still speaks about: it began before and has not caught up yet."""
        last = self.db.execute(
            "SELECT id, closed_at FROM cases WHERE node_id = ? AND state IN (?, ?) AND closed_at >= ? "
            "ORDER BY closed_at DESC LIMIT 1",
            (node_id, *_REPAIRED, observed),
        ).fetchone()
        if last is not None and self.now < last["closed_at"] + self.settings.gate.settle_seconds:
            return "settling", last["id"]
        # What a person cancelled stays cancelled, and what is only observed was observed.
        same = self.db.execute(
            "SELECT c.id, c.state FROM faults f JOIN cases c ON c.id = f.case_id WHERE f.node_id = ? "
            "AND f.fault_class = ? AND f.device = ? AND c.closed_at >= ? ORDER BY c.closed_at DESC LIMIT 1",
            (node_id, seen.fault_class, seen.device, observed),
        ).fetchone()
        if same is None or same["state"] not in (CANCELLED, OBSERVED):
            return None
        if same["state"] == OBSERVED and not self._observed_only(seen):
            return None
        return "closed_case", same["id"]

    def _observed_only(self, seen: Recognition) -> bool:
        row = CLASSES[seen.fault_class]
        action = "contain" if row.removes_node else "restart_service"
        return row.authority == "never" or self.settings.gate.modes.of(action) == "observe"

    def _fault(
        self, seen: Recognition, node_id: str, boot: str, observed: float, signal: Signal, case_id: int | None
    ) -> int:
        """Adds the signal to its fault; how many signals that fault has now."""
        fresh = observed if signal.lane == "kernel" else self.now
        row = self.db.execute(
            "SELECT id, signals FROM faults WHERE node_id = ? AND fault_class = ? AND device = ? AND boot = ? "
            "AND case_id IS ?",
            (node_id, seen.fault_class, seen.device, boot, case_id),
        ).fetchone()
        if row is not None:
            self.db.execute(
                "UPDATE faults SET last_seen = max(last_seen, ?), signals = signals + 1 WHERE id = ?",
                (fresh, row["id"]),
            )
            return int(row["signals"]) + 1
        self.db.execute(
            "INSERT INTO faults (node_id, fault_class, device, boot, first_seen, last_seen, signals, case_id) "
            "VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            (node_id, seen.fault_class, seen.device, boot, observed, fresh, case_id),
        )
        return 1

    def _keep(
        self, signal: Signal, seen: Recognition, node_id: str, boot: str, disposition: str, case_id: int | None
    ) -> None:
        if signal.lane == "kernel":
            kept = self.db.execute(
                "SELECT count(*) FROM signals WHERE node_id = ? AND fault_class = ? AND device = ? AND boot = ?",
                (node_id, seen.fault_class, seen.device, boot),
            ).fetchone()[0]
            if kept >= MAX_SIGNALS_PER_FAULT:
                return
        self.db.execute(
            "INSERT INTO signals (dedup_key, lane, node, node_id, boot, fault_class, device, code, text, observed_at, "
            "received_at, last_seen, disposition, case_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                signal.dedup_key,
                signal.lane,
                signal.node,
                node_id,
                boot,
                seen.fault_class,
                seen.device,
                seen.code,
                rows.storable(signal.text),
                signal.observed_at,
                self.now,
                self.now,
                disposition,
                case_id,
            ),
        )

    def _log_signal(self, signal: Signal, seen: Recognition, boot: str, case_id: int) -> None:
        detail = {
            "lane": signal.lane,
            "observed_at": signal.observed_at,
            "boot": boot,
            "fault_class": seen.fault_class,
            "device": seen.device,
            "code": seen.code,
        }
        rows.log(self.db, self.now, case_id, "signal", signal.text, detail=detail)
