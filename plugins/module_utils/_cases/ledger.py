# The ledger: the durable store of signals, faults, cases and steps, and the audit trail.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import (
    breaker,
    recording,
    rows,
    stepping,
    tickets,
    upkeep,
    wishes,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Verdict
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
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
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import open_store
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

# A dispatched case is not given out again for this long: the run that it started needs time to take its lease. A run
# elsewhere needs more, and who starts it says how much.
DISPATCH_SECONDS = 10.0


class Ledger:
    """One ledger, in a file or in a PostgreSQL database (see store.open_store).

    Every public method is one transaction; every failure is a LedgerError (callers stop). An object may be used from
    several threads (calls are serialised); processes share the file, controllers the database. Opening creates and
    migrates (a file gets mode 0660); not so with ``read_only`` or ``dry_run``, which need a ledger that is there. With
    ``dry_run`` every method answers as it would, and changes nothing.
    """

    def __init__(
        self,
        location: str,
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
        dry_run: bool = False,
        password_file: str | None = None,
    ) -> None:
        self._clock = clock
        self._store = open_store(location, read_only=read_only, dry_run=dry_run, password_file=password_file)

    def close(self) -> None:
        """Ends the connection. Nothing is lost without it."""
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
            db.execute(
                "INSERT INTO heartbeats (source, at) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET at = excluded.at",
                (source, at),
            )

    def heartbeats(self) -> dict[str, float]:
        """The newest heartbeat of each source."""
        with self._store.reading() as db:
            return {row["source"]: row["at"] for row in db.execute("SELECT source, at FROM heartbeats")}

    def firing_alerts(self) -> list[FiringAlert]:
        """Alerts that were recorded firing and not cleared since."""
        with self._store.reading() as db:
            found = db.execute(
                "SELECT * FROM signals WHERE lane = 'alert' AND cleared_at IS NULL ORDER BY id"
            ).fetchall()
        return [
            FiringAlert(
                dedup_key=row["dedup_key"],
                node=row["node"],
                observed_at=row["observed_at"],
                text=row["text"],
                recognition=Recognition(row["fault_class"], row["device"], row["code"], row["action"], row["location"]),
            )
            for row in found
        ]

    # --- dispatch ----------------------------------------------------------------------------------------------------

    def due(self, now: float, limit: int = 100, again_seconds: float = DISPATCH_SECONDS) -> list[int]:
        """Ids of open cases with a due step that nobody works on; not given out again for ``again_seconds``."""
        with self._store.transaction() as db:
            found = db.execute(
                "SELECT id FROM cases WHERE closed_at IS NULL AND step IS NOT NULL AND due_at <= :now "
                "AND (lease_holder IS NULL OR lease_expires_at <= :now) "
                "AND (dispatched_at IS NULL OR dispatched_at <= :since) ORDER BY due_at, id LIMIT :limit",
                {"now": now, "since": now - again_seconds, "limit": limit},
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
                "UPDATE cases SET lease_expires_at = CASE WHEN lease_expires_at > :until THEN lease_expires_at "
                "ELSE :until END WHERE lease_holder = :holder",
                {"until": self._clock() + seconds, "holder": holder},
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
                "SELECT id, lease_holder, lease_expires_at FROM cases WHERE lease_holder IS NOT NULL ORDER BY id"
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
            found = (
                db.execute("SELECT * FROM cases ORDER BY id")
                if state is None
                else db.execute("SELECT * FROM cases WHERE state = ? ORDER BY id", (state,))
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
        return [rows.as_fault(row) for row in found]

    def case_history(self, node_id: str, since: float) -> list[Case]:
        """The cases of a node (or domain) that were open at some time since then, oldest first."""
        with self._store.reading() as db:
            found = db.execute(
                "SELECT * FROM cases WHERE node_id = ? AND (closed_at IS NULL OR closed_at >= ?) ORDER BY id",
                (node_id, since),
            ).fetchall()
            return [rows.as_case(db, row) for row in found]

    def timeline(self, case_id: int) -> list[Event]:
        """Everything that happened to a case, in order.

        Kinds: signal, opened, merged, promoted, correlated, cleared, decision, begun, resumed, waiting, finished, held,
        state, lease_lost, ticket, control. What persons said is of the kind control, with ``by`` in the detail.
        """
        with self._store.reading() as db:
            rows.case_row(db, case_id)
            found = db.execute("SELECT * FROM events WHERE case_id = ? ORDER BY id", (case_id,)).fetchall()
        return [Event(row["at"], row["kind"], row["step"], row["text"], json.loads(row["detail"])) for row in found]

    def counters(self) -> dict[str, Any]:
        """What metrics.render turns into metrics.

        Keys: cases {state: n}, oldest {state: when the oldest open case was opened}, refused {reason: n}, attempts
        {(step, outcome): n}, skipped {reason: n}, durations of closed cases {(class, state): (seconds in all, how many
        took at most each of upkeep.DURATION_BUCKETS, and how many there are)}, paused, breaker_tripped (0/1), opt_outs
        (n), heartbeats {source: time}.
        """
        with self._store.reading() as db:
            return upkeep.counters(db, self._clock())

    def prune(self, before: float) -> dict[str, int]:
        """Forgets the signals and the history of cases that were closed before then; how many rows, by table.

        The cases themselves, their faults and attempts stay, and everything about open cases.
        """
        with self._store.transaction() as db:
            return upkeep.prune(db, self._clock(), before)

    # --- tickets -----------------------------------------------------------------------------------------------------

    def ticket(self, case_id: int) -> dict[str, Any] | None:
        """The ticket of a case: case_id, reference, backend, opened_at, updated_at, closed_at; None without one."""
        with self._store.reading() as db:
            return tickets.ticket(db, case_id)

    def tickets_to_close(self) -> list[int]:
        """The closed cases whose ticket is still open."""
        with self._store.reading() as db:
            return tickets.to_close(db)

    def set_ticket(self, case_id: int, reference: str, backend: str, closed: bool = False) -> bool:
        """Notes which ticket a case has, and whether that is closed; whether that changed anything."""
        with self._store.transaction() as db:
            return tickets.set_ticket(db, self._clock(), case_id, reference, backend, closed)

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
        with self._store.transaction() as db:
            return wishes.pause(db, self._clock(), on, by)

    def approve(self, case_id: int, by: str) -> bool:
        """A person says yes to the case's next step; whether that changed anything. It expires (see GatePolicy)."""
        with self._store.transaction() as db:
            return wishes.approve(db, self._clock(), case_id, by)

    def cancel(self, case_id: int, by: str) -> bool:
        """Closes the case without doing more; the node stays as it is. Whether that changed anything."""
        with self._store.transaction() as db:
            return wishes.cancel(db, self._clock(), case_id, by)

    def rearm(self, by: str) -> bool:
        """Re-arms the breaker; whether it had tripped."""
        with self._store.transaction() as db:
            return breaker.rearm(db, self._clock(), by)

    def opt_out(self, kind: str, name: str, until: float, by: str, reason: str) -> bool:
        """Leaves a node (``kind`` node, by its inventory name) or a fault class (``kind`` class) alone until then.

        Whether that changed anything. LedgerError when ``until`` is no time to come.
        """
        with self._store.transaction() as db:
            return wishes.opt_out(db, self._clock(), kind, name, until, by, reason)

    def end_opt_out(self, kind: str, name: str, by: str = "a person") -> bool:
        """Ends an opt-out before its time; whether there was one."""
        with self._store.transaction() as db:
            return wishes.end_opt_out(db, self._clock(), kind, name, by)

    def opt_outs(self) -> list[dict[str, Any]]:
        """The opt-outs that hold now: kind, name, until, by, reason, at."""
        with self._store.reading() as db:
            return wishes.listed(db, self._clock())
