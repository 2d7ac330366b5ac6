# The ledger: the durable store of signals, faults, cases and steps, and the audit trail. SQLite.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import progress, recording, rows, stepping
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Verdict
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    CANCELLED,
    Case,
    Event,
    Fault,
    FiringAlert,
    Grant,
    NextStep,
    NodeView,
    RecordResult,
    Signal,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Store
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

# A dispatched case is not given out again for this long: the run that it started needs time to take its lease.
DISPATCH_SECONDS = 10.0


class Ledger:
    """One ledger file. Every public method is one transaction; every failure is a LedgerError (callers stop).

    An object may be used from several threads (calls are serialised); processes share the file. Opening creates the
    file (mode 0660) and migrates it; not so with ``read_only`` or ``dry_run``, which need one that is there. With
    ``dry_run`` every method answers as it would, and changes nothing.
    """

    def __init__(
        self, path: str, clock: Callable[[], float] = time.time, read_only: bool = False, dry_run: bool = False
    ) -> None:
        self._clock = clock
        self._store = Store(path, read_only=read_only, dry_run=dry_run)

    def close(self) -> None:
        """Closes the file. Nothing is lost without it."""
        self._store.close()

    # --- signals -----------------------------------------------------------------------------------------------------

    def record(
        self,
        signals: Sequence[Signal],
        cursor: tuple[str, str] | None,
        settings: Settings,
        refused: Sequence[tuple[str, str]] = (),
    ) -> RecordResult:
        """Stores a batch of signals, the faults and cases they make, and the reading position, all or nothing.

        ``cursor`` is (source, position). ``refused`` is what intake refused: it is counted, and kept as audit.
        """
        with self._store.transaction() as db:
            return recording.record(db, self._clock(), signals, cursor, settings, refused)

    def cursor(self, source: str) -> str | None:
        """The reading position that was committed last."""
        with self._store.reading() as db:
            row = db.execute("SELECT position FROM cursors WHERE source = ?", (source,)).fetchone()
        return str(row["position"]) if row is not None else None

    def heartbeat(self, source: str, at: float) -> None:
        """Notes that a source (model.SOURCE_*) was alive at that time."""
        with self._store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO heartbeats (source, at) VALUES (?, ?)", (source, at))

    def heartbeats(self) -> dict[str, float]:
        """The newest heartbeat of each source."""
        with self._store.reading() as db:
            return {row["source"]: row["at"] for row in db.execute("SELECT source, at FROM heartbeats")}

    def firing_alerts(self) -> list[FiringAlert]:
        """Alerts that were recorded firing and not cleared since."""
        with self._store.reading() as db:
            found = db.execute("SELECT * FROM signals WHERE lane = 'alert' AND cleared_at IS NULL").fetchall()
        return [
            FiringAlert(
                dedup_key=row["dedup_key"],
                node=row["node"],
                observed_at=row["observed_at"],
                text=row["text"],
                recognition=Recognition(row["fault_class"], row["device"], row["code"]),
            )
            for row in found
        ]

    # --- dispatch ----------------------------------------------------------------------------------------------------

    def due(self, now: float, limit: int = 100) -> list[int]:
        """Ids of open cases with a due step that nobody works on; they are not given out again for 10 s."""
        with self._store.transaction() as db:
            found = db.execute(
                "SELECT id FROM cases WHERE closed_at IS NULL AND step IS NOT NULL AND due_at <= :now "
                "AND (lease_holder IS NULL OR lease_expires_at <= :now) "
                "AND (dispatched_at IS NULL OR dispatched_at <= :since) ORDER BY due_at, id LIMIT :limit",
                {"now": now, "since": now - DISPATCH_SECONDS, "limit": limit},
            ).fetchall()
            ids = [int(row["id"]) for row in found]
            db.executemany("UPDATE cases SET dispatched_at = ? WHERE id = ?", [(now, number) for number in ids])
        return ids

    def lease(self, case_ids: Sequence[int] | None, holder: str, seconds: float) -> list[Case]:
        """Leases the due cases among ``case_ids`` (None: all due ones) that are free or ``holder``'s already."""
        now = self._clock()
        with self._store.transaction() as db:
            found = db.execute(
                "SELECT id FROM cases WHERE closed_at IS NULL AND step IS NOT NULL AND due_at <= :now "
                "AND (lease_holder IS NULL OR lease_expires_at <= :now OR lease_holder = :holder) ORDER BY due_at, id",
                {"now": now, "holder": holder},
            ).fetchall()
            wanted = None if case_ids is None else set(case_ids)
            ids = [int(row["id"]) for row in found if wanted is None or row["id"] in wanted]
            for number in ids:
                rows.update_case(db, number, now, lease_holder=holder, lease_expires_at=now + seconds)
            return [rows.as_case(db, rows.case_row(db, number)) for number in ids]

    def renew(self, holder: str, seconds: float) -> int:
        """Prolongs every lease of the holder; how many there were."""
        with self._store.transaction() as db:
            changed = db.execute(
                "UPDATE cases SET lease_expires_at = max(lease_expires_at, ?) WHERE lease_holder = ?",
                (self._clock() + seconds, holder),
            )
            return changed.rowcount

    def release(self, holder: str) -> int:
        """Gives back every lease of the holder; how many there were."""
        with self._store.transaction() as db:
            changed = db.execute(
                "UPDATE cases SET lease_holder = NULL, lease_expires_at = NULL, dispatched_at = NULL "
                "WHERE lease_holder = ?",
                (holder,),
            )
            return changed.rowcount

    def reclaim_dead(self, is_alive: Callable[[str], bool]) -> list[int]:
        """Frees the leases of holders that are gone, and those that expired; the ids of the cases."""
        now = self._clock()
        with self._store.transaction() as db:
            leased = db.execute(
                "SELECT id, lease_holder, lease_expires_at FROM cases WHERE lease_holder IS NOT NULL"
            ).fetchall()
            lost = [row for row in leased if row["lease_expires_at"] <= now or not is_alive(row["lease_holder"])]
            for row in lost:
                rows.update_case(db, row["id"], now, lease_holder=None, lease_expires_at=None, dispatched_at=None)
                rows.log(db, now, row["id"], "lease_lost", f"Lease of {row['lease_holder']} taken back.")
            return [int(row["id"]) for row in lost]

    # --- steps -------------------------------------------------------------------------------------------------------

    def begin_step(
        self, case_id: int, step: str, holder: str, settings: Settings, engine: Mapping[str, NodeView] | None
    ) -> Grant:
        """Asks to do the case's next step. A granted attempt is counted before this returns.

        ``engine`` is ``Engine.nodes()`` (None when the scheduler could not be read: gated steps are refused then).
        LeaseLostError when ``holder`` does not hold the case.
        """
        with self._store.transaction() as db:
            return stepping.begin(db, self._clock(), case_id, step, holder, settings, engine)

    def finish_step(
        self,
        case_id: int,
        step: str,
        holder: str,
        outcome: str,
        detail: Mapping[str, Any],
        settings: Settings,
        recheck_seconds: float | None = None,
    ) -> NextStep:
        """Says how a begun step ended: done, failed, waiting (look again) or refused (by the engine).

        ``detail`` is plain data for the audit trail; known keys: ``reason_code`` (refused; default foreign_drain),
        ``boot`` (the boot identity seen after a reboot), ``text``. Waiting past the deadline counts as failed.
        """
        with self._store.transaction() as db:
            return stepping.finish(db, self._clock(), case_id, step, holder, outcome, detail, settings, recheck_seconds)

    # --- containment (see contain.py) ------------------------------------------------------------------------------

    def to_contain(self, case_ids: Sequence[int]) -> list[int]:
        """Those of the given cases whose next step is a cordon that is due."""
        with self._store.reading() as db:
            due = {
                row["id"]
                for row in db.execute(
                    "SELECT id FROM cases WHERE closed_at IS NULL AND step = 'cordon' AND due_at <= ?", (self._clock(),)
                )
            }
        return [number for number in dict.fromkeys(case_ids) if number in due]

    def begin_containment(
        self, case_ids: Sequence[int], holder: str, settings: Settings, engine: Mapping[str, NodeView]
    ) -> list[tuple[Case, Verdict]]:
        """Leases, decides and begins the cordon of all given cases in one transaction and one gate call."""
        with self._store.transaction() as db:
            return stepping.begin_containment(db, self._clock(), case_ids, holder, settings, engine)

    def finish_containment(
        self, outcomes: Mapping[int, tuple[str, Mapping[str, Any]]], holder: str, settings: Settings
    ) -> None:
        """Finishes the cordons of the given cases ((outcome, detail) each) and gives their leases back."""
        with self._store.transaction() as db:
            stepping.finish_containment(db, self._clock(), outcomes, holder, settings)

    # --- reading -----------------------------------------------------------------------------------------------------

    def cases(self, state: str | None = None) -> list[Case]:
        """All cases (of one state), oldest first."""
        with self._store.reading() as db:
            found = db.execute(
                "SELECT * FROM cases WHERE ? IS NULL OR state = ? ORDER BY id", (state, state)
            ).fetchall()
            return [rows.as_case(db, row) for row in found]

    def case(self, case_id: int) -> Case:
        """One case; LedgerError if there is none with that id."""
        with self._store.reading() as db:
            return rows.as_case(db, rows.case_row(db, case_id))

    def faults(self, case_id: int) -> list[Fault]:
        """The faults of a case, oldest first, with those that were only recorded during it."""
        with self._store.reading() as db:
            found = db.execute("SELECT * FROM faults WHERE case_id = ? ORDER BY id", (case_id,)).fetchall()
        return [
            Fault(
                node_id=row["node_id"],
                fault_class=row["fault_class"],
                device=row["device"],
                boot=row["boot"] or None,
                first_seen=row["first_seen"],
                last_seen=row["last_seen"],
                signals=row["signals"],
                case_id=row["case_id"],
            )
            for row in found
        ]

    def timeline(self, case_id: int) -> list[Event]:
        """Everything that happened to a case, in order.

        Kinds: signal, opened, merged, cleared, decision, begun, resumed, waiting, finished, held, state, lease_lost,
        control.
        """
        with self._store.reading() as db:
            rows.case_row(db, case_id)
            found = db.execute("SELECT * FROM events WHERE case_id = ? ORDER BY id", (case_id,)).fetchall()
        return [Event(row["at"], row["kind"], row["step"], row["text"], json.loads(row["detail"])) for row in found]

    def counters(self) -> dict[str, Any]:
        """What metrics.render turns into metrics.

        Keys: cases {state: n}, refused {reason: n}, attempts {(step, outcome): n}, skipped {reason: n}, paused,
        breaker_tripped (0/1), heartbeats {source: time}.
        """
        with self._store.reading() as db:
            counted = db.execute("SELECT name, label, value FROM counters").fetchall()
            return {
                "cases": dict(db.execute("SELECT state, count(*) FROM cases GROUP BY state").fetchall()),
                "refused": {row["label"]: row["value"] for row in counted if row["name"] == "refused"},
                "skipped": {row["label"]: row["value"] for row in counted if row["name"] == "skipped"},
                "attempts": {
                    (row["step"], row["outcome"]): row["n"]
                    for row in db.execute(
                        "SELECT step, outcome, count(*) AS n FROM attempts WHERE outcome IS NOT NULL "
                        "GROUP BY step, outcome"
                    )
                },
                "paused": int(rows.control(db, "paused") is not None),
                "breaker_tripped": int(rows.control(db, "breaker") is not None),
                "heartbeats": {row["source"]: row["at"] for row in db.execute("SELECT source, at FROM heartbeats")},
            }

    # --- control -----------------------------------------------------------------------------------------------------

    def controls(self) -> dict[str, Any]:
        """{"paused_by": str|None, "paused_at": float|None, "breaker": str|None, "breaker_at": float|None}"""
        with self._store.reading() as db:
            paused, breaker = rows.control(db, "paused"), rows.control(db, "breaker")
        return {
            "paused_by": paused["by_whom"] if paused is not None else None,
            "paused_at": paused["at"] if paused is not None else None,
            "breaker": breaker["text"] if breaker is not None else None,
            "breaker_at": breaker["at"] if breaker is not None else None,
        }

    def pause(self, on: bool, by: str) -> bool:
        """Stops (or lets go on) all actions at once; whether that changed anything."""
        now = self._clock()
        with self._store.transaction() as db:
            if on == (rows.control(db, "paused") is not None):
                return False
            if on:
                rows.set_control(db, "paused", now, by, f"All actions are paused by {by}.")
            else:
                db.execute("DELETE FROM controls WHERE name = 'paused'")
                _due_again(db, now, ("paused",))
            rows.log(db, now, None, "control", f"Actions {'paused' if on else 'allowed again'} by {by}.")
            return True

    def approve(self, case_id: int, by: str) -> bool:
        """A person says yes to the case's next step; whether that changed anything."""
        now = self._clock()
        with self._store.transaction() as db:
            row = rows.case_row(db, case_id)
            if row["step"] is None or row["approved_step"] == row["step"]:
                return False
            rows.update_case(db, case_id, now, approved_step=row["step"], due_at=now, dispatched_at=None)
            rows.log(db, now, case_id, "control", f"{row['step']} approved by {by}.", row["step"])
            return True

    def cancel(self, case_id: int, by: str) -> bool:
        """Closes the case without doing more; the node stays as it is. Whether that changed anything."""
        now = self._clock()
        with self._store.transaction() as db:
            if rows.case_row(db, case_id)["closed_at"] is not None:
                return False
            progress.close(db, case_id, now, CANCELLED, f"Cancelled by {by}; the node stays as it is.")
            return True

    def rearm(self, by: str) -> bool:
        """Re-arms the breaker; whether it had tripped."""
        now = self._clock()
        with self._store.transaction() as db:
            if rows.control(db, "breaker") is None:
                return False
            db.execute("DELETE FROM controls WHERE name = 'breaker'")
            rows.set_control(db, "rearmed", now, by, f"The breaker was re-armed by {by}.")
            _due_again(db, now, ("breaker", "storm"))
            rows.log(db, now, None, "control", f"Breaker re-armed by {by}.")
            return True


def _due_again(db: Any, now: float, reasons: Sequence[str]) -> None:
    db.executemany(
        "UPDATE cases SET due_at = ?, dispatched_at = NULL WHERE state = 'held' AND hold_reason = ?",
        [(now, reason) for reason in reasons],
    )
