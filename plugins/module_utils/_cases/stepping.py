# Begins and ends the steps of cases: the gate is asked, the attempt counted, then the caller acts.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import attempts, briefing, judging, progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Verdict
from ansible_collections.aidc.ops.plugins.module_utils._cases.judging import Asked, judge
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    OBSERVED,
    Case,
    Grant,
    NextStep,
    NodeView,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._errors import LeaseLostError, StepError

OUTCOMES = ("done", "failed", "waiting", "refused")
DEFAULT_RECHECK_SECONDS = 10.0
# The lease of a containment lasts as long as its one engine call may take, with room.
CONTAIN_LEASE_SECONDS = 60.0
# Steps that wait for jobs: past its deadline a drain still goes on being looked at.
_PATIENT = ("drain",)
# Steps of which a refusal for good means only that they are left out.
_OPTIONAL = ("scale_out", "failover", "swap_spare")


def begin(
    db: Connection,
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
    if running is not None and step not in _PATIENT and now > running["deadline"]:
        # Once, the caller may still find out how it ended. A step that nobody can bring to an end has failed.
        if running["late_grants"]:
            attempts.end(db, now, row, running, "failed", {"text": "The deadline passed."}, settings)
            return _denied("deadline", f"{step} of case {case_id} did not end before its deadline.")
        db.execute("UPDATE attempts SET late_grants = 1 WHERE id = ?", (running["id"],))
    verdict = judge(db, now, [Asked(row, step, running)], settings, engine)[0]
    if not verdict.allowed:
        _refused(db, now, row, step, verdict, settings)
        return _denied(verdict.reason_code, verdict.text)
    attempt = attempts.start(db, now, row, step, running, holder, settings, verdict.text)
    return Grant(
        proceed=True,
        resumed=running is not None,
        reason="",
        text=verdict.text,
        attempt=attempt["number"],
        deadline=attempt["deadline"],
        context=briefing.context(db, now, row, attempt, settings, engine),
    )


def finish(
    db: Connection,
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
        if last is not None and last["step"] == step and last["outcome"] in (outcome, "abandoned"):
            # The caller asks again because it did not see the answer, or something worse has gone before meanwhile.
            return _next(row)
        raise StepError(f"Step {step} of case {case_id} was not begun, so it cannot end.")
    if outcome == "waiting":
        late = now >= running["deadline"]
        if not late or step in _PATIENT:
            attempts.wait(db, now, row, running, late, settings, recheck_seconds or DEFAULT_RECHECK_SECONDS, detail)
            return _next(rows.case_row(db, case_id))
        outcome, detail = "failed", {**detail, "text": "The deadline passed."}
    attempts.end(db, now, row, running, outcome, detail, settings)
    return _next(rows.case_row(db, case_id))


def begin_containment(
    db: Connection,
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
            asked.append(Asked(row, "cordon", rows.running_attempt(db, case_id)))
    answer = []
    for (row, step, running), verdict in zip(asked, judge(db, now, asked, settings, engine)):
        if verdict.allowed:
            rows.update_case(db, row["id"], now, lease_holder=holder, lease_expires_at=now + CONTAIN_LEASE_SECONDS)
            attempts.start(db, now, row, step, running, holder, settings, verdict.text)
        else:
            _refused(db, now, row, step, verdict, settings)
        answer.append((rows.as_case(db, rows.case_row(db, row["id"])), verdict))
    return answer


def finish_containment(
    db: Connection,
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


def _next(row: Row) -> NextStep:
    return NextStep(row["step"], row["due_at"], row["state"])


def _free(row: Row, holder: str, now: float) -> bool:
    return row["lease_holder"] in (None, holder) or row["lease_expires_at"] <= now


def _require_lease(row: Row, holder: str, now: float) -> None:
    if row["lease_holder"] != holder or row["lease_expires_at"] <= now:
        raise LeaseLostError(
            f"Case {row['id']} is not leased to {holder} (now: {row['lease_holder'] or 'nobody'}). "
            "Take a lease with case_lease, for long enough."
        )


def _refused(db: Connection, now: float, row: Row, step: str, verdict: Verdict, settings: Settings) -> None:
    """What a refusal means for the case: it waits, it is over, or the step is passed over."""
    code = verdict.reason_code
    if row["hold_reason"] != code:
        detail = {"allowed": False, "reason": code}
        rows.log(db, now, row["id"], "decision", verdict.text, step, detail)
    if row["approved_step"] == step and not judging.approved(row, step, now, settings):
        rows.update_case(db, row["id"], now, approved_step=None)
        rows.log(db, now, row["id"], "control", f"The approval of {step} has expired.", step)
    if code == "attempts" or (code == "mode_observe" and step in _OPTIONAL):
        rows.count(db, "skipped", code)
        attempts.pass_over(db, now, row, step)
        progress.advance(db, row["id"], now, settings)
    elif code == "mode_observe" and not judging.has_acted(db, row["id"]):
        rows.count(db, "skipped", code)
        progress.close(db, row["id"], now, OBSERVED, verdict.text)
    else:
        progress.hold(db, row["id"], now, code, verdict.text)
