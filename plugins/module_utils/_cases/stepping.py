# Begins and ends the steps of cases: the gate is asked, the attempt counted, then the caller acts.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import boots, progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Request, Verdict, World, decide, foreign_owner
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    ACTION_OF_STEP,
    OBSERVED,
    OPEN,
    SOURCE_WATCHDOG,
    Case,
    Grant,
    NextStep,
    NodeView,
    owner_token,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import LeaseLostError, StepError
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

OUTCOMES = ("done", "failed", "waiting", "refused")
DAY_SECONDS = 86400.0
DEFAULT_RECHECK_SECONDS = 10.0
# The lease of a containment lasts as long as its one engine call may take, with room.
CONTAIN_LEASE_SECONDS = 60.0


def begin(
    db: sqlite3.Connection,
    now: float,
    case_id: int,
    step: str,
    holder: str,
    settings: Settings,
    engine: Mapping[str, NodeView] | None,
) -> Grant:
    """See Ledger.begin_step."""
    row = rows.case_row(db, case_id)
    if row["closed_at"] is not None:
        return _denied("closed", f"Case {case_id} is {row['state']}.")
    _require_lease(row, holder, now)
    if row["step"] != step or row["due_at"] is None or row["due_at"] > now:
        return _denied("not_due", f"The next step of case {case_id} is {row['step']}, due at {row['due_at']}.")
    running = rows.running_attempt(db, case_id)
    if running is not None and step != "drain" and now > running["deadline"]:
        # Once, the caller may still find out how it ended. A step that nobody can bring to an end has failed.
        if running["late_grants"]:
            _end(db, now, row, running, "failed", {"text": "The deadline passed."}, settings)
            return _denied("deadline", f"{step} of case {case_id} did not end before its deadline.")
        db.execute("UPDATE attempts SET late_grants = 1 WHERE id = ?", (running["id"],))
    verdict = _judge(db, now, [(row, step, running)], settings, engine)[0]
    if not verdict.allowed:
        _refused(db, now, row, step, verdict, settings)
        return _denied(verdict.reason_code, verdict.text)
    attempt = _start(db, now, row, step, running, holder, settings, verdict)
    return Grant(
        proceed=True,
        resumed=running is not None,
        reason="",
        text=verdict.text,
        attempt=attempt["number"],
        deadline=attempt["deadline"],
        context=_context(db, now, row, attempt, settings, (engine or {}).get(row["node"])),
    )


def finish(
    db: sqlite3.Connection,
    now: float,
    case_id: int,
    step: str,
    holder: str,
    outcome: str,
    detail: Mapping[str, Any],
    settings: Settings,
    recheck_seconds: float | None,
) -> NextStep:
    """See Ledger.finish_step."""
    if outcome not in OUTCOMES:
        raise StepError(f"A step ends as one of {', '.join(OUTCOMES)}, not as {outcome!r:.60}.")
    row = rows.case_row(db, case_id)
    if row["closed_at"] is not None:
        return _next(row)
    running = rows.running_attempt(db, case_id)
    # A lease that ran out does no harm to a result, as long as nobody else has taken the case up.
    holds = row["lease_holder"] or (running["holder"] if running is not None else holder)
    if holds != holder:
        raise LeaseLostError(f"Case {case_id} is leased to {holds}, not to {holder}.")
    if running is None or running["step"] != step:
        last = db.execute("SELECT * FROM attempts WHERE case_id = ? ORDER BY id DESC LIMIT 1", (case_id,)).fetchone()
        if last is not None and last["step"] == step and last["outcome"] == outcome:
            # The caller asks again because it did not see the answer.
            return _next(row)
        raise StepError(f"Step {step} of case {case_id} was not begun, so it cannot end.")
    if outcome == "waiting":
        late = now >= running["deadline"]
        if not late or step == "drain":
            return _wait(db, now, row, running, late, settings, recheck_seconds or DEFAULT_RECHECK_SECONDS, detail)
        outcome, detail = "failed", {**detail, "text": "The deadline passed."}
    _end(db, now, row, running, outcome, detail, settings)
    return _next(rows.case_row(db, case_id))


def begin_containment(
    db: sqlite3.Connection,
    now: float,
    case_ids: Sequence[int],
    holder: str,
    settings: Settings,
    engine: Mapping[str, NodeView],
) -> list[tuple[Case, Verdict]]:
    """See Ledger.begin_containment."""
    asked = []
    for case_id in dict.fromkeys(case_ids):
        row = rows.case_row(db, case_id)
        if row["step"] == "cordon" and row["due_at"] is not None and row["due_at"] <= now and _free(row, holder, now):
            asked.append((row, "cordon", rows.running_attempt(db, case_id)))
    answer = []
    for (row, step, running), verdict in zip(asked, _judge(db, now, asked, settings, engine)):
        if verdict.allowed:
            rows.update_case(db, row["id"], now, lease_holder=holder, lease_expires_at=now + CONTAIN_LEASE_SECONDS)
            _start(db, now, row, step, running, holder, settings, verdict)
        else:
            _refused(db, now, row, step, verdict, settings)
        answer.append((rows.as_case(db, rows.case_row(db, row["id"])), verdict))
    return answer


def finish_containment(
    db: sqlite3.Connection,
    now: float,
    outcomes: Mapping[int, tuple[str, Mapping[str, Any]]],
    holder: str,
    settings: Settings,
) -> None:
    """See Ledger.finish_containment."""
    for case_id, (outcome, detail) in outcomes.items():
        try:
            finish(db, now, case_id, "cordon", holder, outcome, detail, settings, None)
        except (LeaseLostError, StepError):
            # Somebody else has taken this case further meanwhile; the others of the batch must not suffer.
            continue
        db.execute(
            "UPDATE cases SET lease_holder = NULL, lease_expires_at = NULL WHERE id = ? AND lease_holder = ?",
            (case_id, holder),
        )


def _denied(code: str, text: str) -> Grant:
    return Grant(proceed=False, resumed=False, reason=code, text=text, attempt=0, deadline=None)


def _next(row: sqlite3.Row) -> NextStep:
    return NextStep(row["step"], row["due_at"], row["state"])


def _free(row: sqlite3.Row, holder: str, now: float) -> bool:
    return row["lease_holder"] in (None, holder) or row["lease_expires_at"] <= now


def _require_lease(row: sqlite3.Row, holder: str, now: float) -> None:
    if row["lease_holder"] != holder or row["lease_expires_at"] <= now:
        raise LeaseLostError(
            f"Case {row['id']} is not leased to {holder} (now: {row['lease_holder'] or 'nobody'}). "
            "Take a lease with case_lease, for long enough."
        )


def _judge(
    db: sqlite3.Connection,
    now: float,
    asked: Sequence[tuple[sqlite3.Row, str, sqlite3.Row | None]],
    settings: Settings,
    engine: Mapping[str, NodeView] | None,
) -> list[Verdict]:
    """One verdict for each (case, step, running attempt); gated steps are decided in one gate call."""
    world = _world(db, now, settings, engine)
    gated = [item for item in asked if item[1] in ACTION_OF_STEP]
    verdicts = iter(decide([_request(db, now, *item) for item in gated], world, settings.gate))
    ungated = (
        Verdict(False, "paused", world.paused) if world.paused else Verdict(True, "", "This step needs no permission.")
    )
    return [next(verdicts) if step in ACTION_OF_STEP else ungated for _row, step, _running in asked]


def _world(db: sqlite3.Connection, now: float, settings: Settings, engine: Mapping[str, NodeView] | None) -> World:
    taken = db.execute(
        "SELECT c.node FROM attempts a JOIN cases c ON c.id = a.case_id WHERE a.step = 'cordon' AND a.ended_at IS NULL"
    )
    repairs = db.execute(
        "SELECT count(*) FROM attempts WHERE ended_at IS NULL AND step IN ('reset', 'reboot', 'restart_service')"
    ).fetchone()[0]
    paused, breaker = rows.control(db, "paused"), rows.control(db, "breaker")
    return World(
        now=now,
        settings_nodes=settings.nodes,
        engine=engine,
        taken=frozenset(row["node"] for row in taken),
        repairs_running=repairs,
        paused=paused["text"] if paused is not None else None,
        breaker=breaker["text"] if breaker is not None and breaker["by_whom"] != "storm" else None,
        storm=breaker["text"] if breaker is not None and breaker["by_whom"] == "storm" else None,
        blind=_blind(db, now, settings),
    )


def _blind(db: sqlite3.Connection, now: float, settings: Settings) -> bool:
    if settings.alertmanager.watchdog_alert is None:
        return False
    row = db.execute("SELECT at FROM heartbeats WHERE source = ?", (SOURCE_WATCHDOG,)).fetchone()
    return row is None or now - row["at"] > settings.alertmanager.blind_after_seconds


def _request(db: sqlite3.Connection, now: float, row: sqlite3.Row, step: str, running: sqlite3.Row | None) -> Request:
    fault = CLASSES[row["fault_class"]]
    faults = rows.acting_faults(db, row["id"])
    acted = db.execute(
        "SELECT 1 FROM attempts WHERE case_id = ? AND outcome = 'done' AND step IN ('cordon', 'restart_service')",
        (row["id"],),
    ).fetchone()
    return Request(
        case_id=row["id"],
        node=row["node"],
        action=ACTION_OF_STEP[step],
        token=owner_token(row["id"]),
        authority=fault.authority,
        evidence_at=max(item["last_seen"] for item in faults) if acted is None else None,
        approved=row["approved_step"] == step,
        attempts=_attempts(db, now, row, step, rows.devices_of(faults, row["fault_class"])),
        granted_before=running is not None,
        removes_node=fault.removes_node,
    )


def _attempts(db: sqlite3.Connection, now: float, row: sqlite3.Row, step: str, devices: Sequence[str]) -> int:
    """How often this was tried on the node in the last 24 h; a reset is counted for each device."""
    earlier = db.execute(
        "SELECT devices FROM attempts WHERE node_id = ? AND step = ? AND began_at > ? "
        "AND (outcome IS NULL OR outcome NOT IN ('refused', 'capped'))",
        (row["node_id"], step, now - DAY_SECONDS),
    ).fetchall()
    if step != "reset":
        return len(earlier)
    touched = [json.loads(item["devices"]) for item in earlier]
    return max((sum(device in names for names in touched) for device in devices), default=0)


def _refused(
    db: sqlite3.Connection, now: float, row: sqlite3.Row, step: str, verdict: Verdict, settings: Settings
) -> None:
    """What a refusal means for the case: it waits, it is over, or it goes on to a ticket."""
    code = verdict.reason_code
    if row["hold_reason"] != code:
        detail = {"allowed": False, "reason": code}
        rows.log(db, now, row["id"], "decision", verdict.text, step, detail)
    acted = db.execute(
        "SELECT 1 FROM attempts WHERE case_id = ? AND step IN ('cordon', 'reset', 'reboot', 'restart_service')",
        (row["id"],),
    ).fetchone()
    if code == "mode_observe" and acted is None:
        rows.count(db, "skipped", code)
        progress.close(db, row["id"], now, OBSERVED, verdict.text)
    elif code == "attempts":
        rows.count(db, "skipped", code)
        db.execute(
            "INSERT INTO attempts (case_id, node_id, step, number, epoch, devices, boot_before, holder, began_at, "
            "deadline, ended_at, outcome) VALUES (?, ?, ?, ?, ?, '[]', '', '', ?, ?, ?, 'capped')",
            (row["id"], row["node_id"], step, _number(db, row, step), row["epoch"], now, now, now),
        )
        progress.advance(db, row["id"], now, settings)
    else:
        progress.hold(db, row["id"], now, code, verdict.text)


def _number(db: sqlite3.Connection, row: sqlite3.Row, step: str) -> int:
    made = db.execute("SELECT count(*) FROM attempts WHERE case_id = ? AND step = ?", (row["id"], step)).fetchone()
    return int(made[0]) + 1


def _start(
    db: sqlite3.Connection,
    now: float,
    row: sqlite3.Row,
    step: str,
    running: sqlite3.Row | None,
    holder: str,
    settings: Settings,
    verdict: Verdict,
) -> sqlite3.Row:
    """The attempt under way: the one that was begun before, or a new one, which counts from here on."""
    rows.update_case(db, row["id"], now, state=OPEN, hold_reason=None, hold_text=None, approved_step=None)
    if running is not None:
        if not running["waiting"]:
            rows.log(db, now, row["id"], "resumed", f"{step} was begun before and is brought to its end.", step)
        db.execute("UPDATE attempts SET holder = ?, waiting = 0 WHERE id = ?", (holder, running["id"]))
        return running
    devices = rows.devices_of(rows.acting_faults(db, row["id"]), row["fault_class"])
    number = _number(db, row, step)
    made = db.execute(
        "INSERT INTO attempts (case_id, node_id, step, number, epoch, devices, boot_before, holder, began_at, "
        "deadline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row["id"],
            row["node_id"],
            step,
            number,
            row["epoch"],
            json.dumps(devices),
            boots.newest(db, row["node_id"]),
            holder,
            now,
            now + settings.deadline_seconds(step),
        ),
    )
    rows.log(db, now, row["id"], "begun", verdict.text, step, {"attempt": number, "holder": holder})
    return db.execute("SELECT * FROM attempts WHERE id = ?", (made.lastrowid,)).fetchone()


def _context(
    db: sqlite3.Connection,
    now: float,
    row: sqlite3.Row,
    attempt: sqlite3.Row,
    settings: Settings,
    node: NodeView | None,
) -> dict[str, Any]:
    """What the caller needs in order to act; see model.Grant."""
    case = rows.as_case(db, row)
    faults = rows.acting_faults(db, row["id"])
    late = now >= attempt["deadline"]
    return {
        "node": case.node,
        "token": case.token,
        "attempt_token": f"{case.token}:{attempt['step']}:{attempt['id']}",
        "reason": case.reason,
        "fault_class": case.fault_class,
        "fault_classes": list(case.fault_classes),
        "devices": rows.devices_of(faults, case.fault_class),
        "all_devices": list(case.devices),
        "validation": CLASSES[case.fault_class].validation,
        "boot_before": attempt["boot_before"] or None,
        "cleared": rows.alerts_cleared(db, row["id"]),
        "force": attempt["step"] == "drain" and late and settings.gate.force_after_deadline,
        "drained": node.drained if node is not None else None,
        "jobs": list(node.jobs) if node is not None else [],
        "foreign": foreign_owner(node) if node is not None else False,
        "opened_at": row["opened_at"],
        "began_at": attempt["began_at"],
    }


def _wait(
    db: sqlite3.Connection,
    now: float,
    row: sqlite3.Row,
    running: sqlite3.Row,
    late: bool,
    settings: Settings,
    recheck: float,
    detail: Mapping[str, Any],
) -> NextStep:
    if not running["waiting"]:
        rows.log(db, now, row["id"], "waiting", str(detail.get("text", "")), running["step"], detail)
    db.execute("UPDATE attempts SET waiting = 1 WHERE id = ?", (running["id"],))
    if late and not settings.gate.force_after_deadline:
        # The jobs may still end by themselves, so the case goes on being looked at.
        text = "Jobs still run after the drain's deadline, and settings do not allow to end them."
        progress.hold(db, row["id"], now, "drain_deadline", text, recheck)
    else:
        rows.update_case(db, row["id"], now, due_at=now + recheck, dispatched_at=None)
    return _next(rows.case_row(db, row["id"]))


def _end(
    db: sqlite3.Connection,
    now: float,
    row: sqlite3.Row,
    running: sqlite3.Row,
    outcome: str,
    detail: Mapping[str, Any],
    settings: Settings,
) -> None:
    db.execute("UPDATE attempts SET ended_at = ?, outcome = ? WHERE id = ?", (now, outcome, running["id"]))
    boot = detail.get("boot")
    if isinstance(boot, str) and 0 < len(boot) <= boots.MAX_BOOT:
        boots.learn(db, row["node_id"], boot, now)
    text = str(detail.get("text", "")) or f"{running['step']} {outcome}."
    rows.log(db, now, row["id"], "finished", text, running["step"], {**detail, "outcome": outcome})
    if outcome == "refused":
        progress.hold(db, row["id"], now, str(detail.get("reason_code", "foreign_drain")), text)
    else:
        progress.advance(db, row["id"], now, settings)
