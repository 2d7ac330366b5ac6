# From signals to faults and cases: what is known already, what is old, what was taken back. In one transaction.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.aidc.ops.plugins.module_utils._cases import boots, breaker, domains, progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import RecordResult, Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.placing import Placed, Placer
from ansible_collections.aidc.ops.plugins.module_utils._cases.repeats import EVENT_SECONDS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

# A broken device repeats itself thousands of times. Of one fault this many signals in a day are kept in full, and the
# first one of each later event; the others are only counted.
MAX_SIGNALS_PER_FAULT = 100
_DAY_SECONDS = 86400.0
# Where a signal belongs that needs no second look while its sender repeats it.
_PLACED = ("opened", "merged", "recorded", "follower")


def record(
    db: Connection,
    now: float,
    signals: Sequence[Signal],
    cursor: tuple[str, str] | None,
    settings: Settings,
    refused: Sequence[tuple[str, str]],
) -> RecordResult:
    """See Ledger.record."""
    breaker.rearm_if_due(db, now, settings.gate)
    batch = _Batch(db, now, settings)
    for signal in signals:
        batch.take(signal)
    batch.placer.correlate()
    rows.refuse(db, now, [*refused, *batch.refused])
    if batch.placer.new:
        breaker.check_storm(db, now, settings)
    if cursor is not None:
        db.execute(
            "INSERT INTO cursors (source, position) VALUES (?, ?) "
            "ON CONFLICT (source) DO UPDATE SET position = excluded.position",
            cursor,
        )
    new = tuple(dict.fromkeys(batch.placer.new))
    return RecordResult(
        new_case_ids=new,
        merged_case_ids=tuple(number for number in dict.fromkeys(batch.placer.merged) if number not in new),
        cleared_case_ids=tuple(dict.fromkeys(batch.cleared)),
        refused=tuple(batch.refused),
    )


class _Batch:
    """The signals of one transaction, one after the other."""

    def __init__(self, db: Connection, now: float, settings: Settings) -> None:
        self.db = db
        self.now = now
        self.settings = settings
        self.placer = Placer(db, now, settings)
        self.cleared: list[int] = []
        self.refused: list[tuple[str, str]] = []

    def take(self, signal: Signal) -> None:
        seen = signal.recognition
        if signal.node not in self.settings.nodes:
            self.refused.append(("unknown_node", signal.node))
        elif seen is not None and seen.fault_class not in self.settings.catalogue.classes:
            self.refused.append(("unknown_class", f"{signal.node}: {seen.fault_class}"))
        elif signal.cleared:
            self._clear(signal)
        elif signal.lane == "kernel":
            self._kernel(signal)
        elif seen is not None:
            self._report(signal, seen)

    # --- kernel lane: every line is an event of its own --------------------------------------------------------------

    def _kernel(self, signal: Signal) -> None:
        node_id = self.settings.node_id(signal.node)
        # A clock that runs ahead must not make a boot look newer than those that follow.
        observed = min(signal.observed_at, self.now)
        current = not signal.boot or boots.learn(self.db, node_id, signal.boot, observed)
        seen = signal.recognition
        if seen is None:
            return
        if self._known(signal.dedup_key) is not None:
            self.refused.append(("duplicate", f"{signal.node}: {signal.text}"))
            return
        boot = signal.boot or boots.newest(self.db, node_id)
        if not current:
            self.refused.append(("old_boot", f"{signal.node}: {signal.text}"))
            self._keep(signal, node_id, boot, observed, Placed("old_boot", None, seen))
            return
        placed = self.placer.place(signal, seen, node_id, boot, observed)
        self._keep(signal, node_id, boot, observed, placed)
        if placed.disposition == "closed_case":
            self.refused.append((placed.disposition, f"{signal.node}: {signal.text}"))

    # --- the other lanes: what they report holds until it is taken back, and may come again with every poll ----------

    def _report(self, signal: Signal, seen: Recognition) -> None:
        node_id = self.settings.node_id(signal.node)
        known = self._known(signal.dedup_key)
        if known is not None:
            self.db.execute("UPDATE signals SET last_seen = ?, cleared_at = NULL WHERE id = ?", (self.now, known["id"]))
            if self._still_placed(known):
                return
        boot = boots.newest(self.db, node_id)
        # A clock that runs ahead must not make an alert look newer than when it was first received.
        observed = min(signal.observed_at, self.now if known is None else known["received_at"])
        placed = self.placer.place(signal, seen, node_id, boot, observed)
        if known is None:
            self._keep(signal, node_id, boot, observed, placed)
        else:
            self.db.execute(
                "UPDATE signals SET disposition = ?, case_id = ?, fault_class = ? WHERE id = ?",
                (placed.disposition, placed.case_id, placed.seen.fault_class, known["id"]),
            )
        waits = placed.disposition in ("settling", "closed_case")
        if waits and (known is None or known["disposition"] != placed.disposition):
            self.refused.append((placed.disposition, f"{signal.node}: {signal.text}"))

    def _still_placed(self, known: Row) -> bool:
        """Whether the alert belongs to an open case (or is only recorded) already; its fault is kept fresh then."""
        if known["disposition"] not in _PLACED:
            return False
        case = None
        if known["case_id"] is not None:
            case = rows.case_row(self.db, known["case_id"])
            if case["closed_at"] is not None and known["disposition"] in ("opened", "merged"):
                return False
        self.db.execute(
            "UPDATE faults SET last_seen = ? WHERE node_id = ? AND fault_class = ? AND device = ? AND location = ? "
            "AND COALESCE(case_id, 0) = COALESCE(?, 0)",
            (
                self.now,
                known["node_id"],
                known["fault_class"],
                known["device"],
                known["location"],
                known["case_id"],
            ),
        )
        if case is not None and case["hold_reason"] == "stale":
            # It fires still, or again, after nobody had heard of it for a while.
            progress.advance(self.db, case["id"], self.now, self.settings)
        return True

    def _clear(self, signal: Signal) -> None:
        known = self._known(signal.dedup_key)
        if known is None or known["cleared_at"] is not None:
            return
        self.db.execute("UPDATE signals SET cleared_at = ? WHERE id = ?", (self.now, known["id"]))
        if known["case_id"] is not None:
            case = rows.case_row(self.db, known["case_id"])
            if case["closed_at"] is None:
                self.cleared.append(case["id"])
                rows.log(self.db, self.now, case["id"], "cleared", known["text"], detail={"lane": known["lane"]})
                self._look_whether_over(case)
        for case in self._domains_of(known):
            self._look_whether_over(case)

    def _domains_of(self, known: Row) -> list[Row]:
        """The open cases of domains that the signal's fault is part of."""
        fault = self.settings.catalogue.classes.get(known["fault_class"])
        if fault is None:
            return []
        case = domains.covering(self.db, self.settings, known["node"], fault, [known["location"]])
        return [case] if case is not None else []

    def _look_whether_over(self, case: Row) -> None:
        running = rows.running_attempt(self.db, case["id"])
        waits = running is None or running["step"] in ("await_clear", "await_idle")
        if waits and progress.is_over(self.db, self.now, self.settings, case):
            if running is not None:
                self.db.execute(
                    "UPDATE attempts SET ended_at = ?, outcome = 'done' WHERE id = ?", (self.now, running["id"])
                )
            progress.advance(self.db, case["id"], self.now, self.settings)

    # --- all lanes ---------------------------------------------------------------------------------------------------

    def _known(self, dedup_key: str) -> Row | None:
        return self.db.execute("SELECT * FROM signals WHERE dedup_key = ?", (dedup_key,)).fetchone()

    def _keep(self, signal: Signal, node_id: str, boot: str, observed: float, placed: Placed) -> None:
        seen = placed.seen
        if signal.lane == "kernel" and self._kept_enough(seen, node_id, boot, observed):
            return
        self.db.execute(
            "INSERT INTO signals (dedup_key, lane, node, node_id, boot, fault_class, device, code, action, location, "
            "text, observed_at, received_at, last_seen, disposition, case_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                signal.dedup_key,
                signal.lane,
                signal.node,
                node_id,
                boot,
                seen.fault_class,
                seen.device,
                seen.code,
                seen.action,
                rows.storable(seen.location),
                rows.storable(signal.text),
                signal.observed_at,
                self.now,
                self.now,
                placed.disposition,
                placed.case_id,
            ),
        )

    def _kept_enough(self, seen: Recognition, node_id: str, boot: str, observed: float) -> bool:
        kept, newest = self.db.execute(
            "SELECT count(*), max(observed_at) FROM signals WHERE node_id = ? AND fault_class = ? AND device = ? "
            "AND boot = ? AND received_at > ?",
            (node_id, seen.fault_class, seen.device, boot, self.now - _DAY_SECONDS),
        ).fetchone()
        return bool(kept >= MAX_SIGNALS_PER_FAULT and observed - newest <= EVENT_SECONDS)
