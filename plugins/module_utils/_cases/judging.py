# What the gate has to know about a case that asks for a step, read from the ledger.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ansible_collections.aidc.ops.plugins.module_utils._cases import boots, breaker, domains, flapping, rows, wishes
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Request, Verdict, World, decide
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    ACTION_OF_STEP,
    SCOPE_NODE,
    SOURCE_WATCHDOG,
    NodeView,
    owner_token,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS, FaultClass

DAY_SECONDS = 86400.0
# No answer of a scheduler is older than that when it is used: it has a time limit, and so has the wait for the ledger.
ENGINE_AGE_SECONDS = 120.0
BLIND_CLASS = "monitoring_blind"


class Asked(NamedTuple):
    """A case, the step that it asks for, and the attempt at it that was begun and not ended."""

    row: Row
    step: str
    running: Row | None


def judge(
    db: Connection, now: float, asked: Sequence[Asked], settings: Settings, engine: Mapping[str, NodeView] | None
) -> list[Verdict]:
    """One verdict for each; all steps that pass the gate are decided in one gate call."""
    breaker.rearm_if_due(db, now, settings.gate)
    known = settings.catalogue.classes
    opt_outs = wishes.opt_outs(db, now)
    gated = [item.step in ACTION_OF_STEP and item.row["fault_class"] in known for item in asked]
    passing = [item for item, passes in zip(asked, gated) if passes]
    world = _world(db, now, settings, engine, passing)
    requests = [_request(db, now, settings, item, opt_outs) for item in passing]
    verdicts = iter(decide(requests, world, settings.gate))
    return [
        next(verdicts) if passes else _ungated(db, now, settings, item, opt_outs, world.paused)
        for item, passes in zip(asked, gated)
    ]


def has_acted(db: Connection, case_id: int) -> bool:
    """Whether the case has begun to change something: a node taken out, or a repair."""
    listed, values = rows.among("step", ("cordon", *REPAIRS, "failover", "scale_out"))
    row = db.execute(
        f"SELECT 1 FROM attempts WHERE case_id = ? AND {listed} "  # noqa: S608
        "AND COALESCE(outcome, '') <> 'capped' LIMIT 1",
        (case_id, *values),
    ).fetchone()
    return row is not None


def approved(row: Row, step: str, now: float, settings: Settings) -> bool:
    """Whether a person said yes to this step of the case, not too long ago."""
    if row["approved_step"] != step or row["approved_at"] is None:
        return False
    return bool(now - row["approved_at"] <= settings.gate.approval_expires_seconds)


def _ungated(
    db: Connection,
    now: float,
    settings: Settings,
    item: Asked,
    opt_outs: Mapping[tuple[str, str], str],
    paused: str | None,
) -> Verdict:
    """What only looks, waits or tells needs no permission; but a person may want not even that."""
    row = item.row
    if paused:
        return Verdict(False, "paused", paused)
    fault_class = row["fault_class"]
    if fault_class not in settings.catalogue.classes:
        return Verdict(False, "unknown_class", f"The catalogue has no class {fault_class} any more.")
    acted = has_acted(db, row["id"])
    wish = wishes.against(opt_outs, row["node"], fault_class, removing=not acted)
    if wish is not None:
        return Verdict(False, "opt_out", wish)
    policy = settings.gate
    begins = item.step == "await_idle" and policy.modes.of("contain") == "observe"
    if not acted and (begins or policy.class_modes.get(fault_class) == "observe"):
        return Verdict(False, "mode_observe", f"{fault_class} on {row['node']} is only observed.")
    if item.step == "await_idle" and item.running is None and not approved(row, item.step, now, settings):
        # Whoever waits for idleness acts on what is known now, so now it has to be true.
        seen = _evidence_at(db, row, rows.acting_faults(db, row["id"]))
        if seen is not None and now - seen > policy.event_max_age_seconds:
            return Verdict(False, "stale", "The evidence is old; a person has to say that it still holds.")
    return Verdict(True, "", "This step needs no permission.")


def _world(
    db: Connection, now: float, settings: Settings, engine: Mapping[str, NodeView] | None, asked: Sequence[Asked]
) -> World:
    listed, values = rows.among("step", REPAIRS)
    repairs = db.execute(f"SELECT count(*) FROM attempts WHERE ended_at IS NULL AND {listed}", values)  # noqa: S608
    paused, tripped = rows.control(db, "paused"), rows.control(db, "breaker")
    repaired = {item.row["fault_class"] for item in asked if item.step in REPAIRS}
    return World(
        now=now,
        settings_nodes=settings.nodes,
        engine=engine,
        taken=_taken(db, now),
        repairs_running=repairs.fetchone()[0],
        paused=paused["text"] if paused is not None else None,
        breaker=tripped["text"] if tripped is not None and tripped["by_whom"] != "storm" else None,
        storm=tripped["text"] if tripped is not None and tripped["by_whom"] == "storm" else None,
        blind=_blind(db, now, settings),
        flapping={
            name: flapping.under_repair(db, name)
            for name in sorted(repaired)
            if flapping.flaps(db, now, settings.gate, name)
        },
    )


def _taken(db: Connection, now: float) -> frozenset[str]:
    """Nodes that are being taken out, or were since the scheduler was read: it may have shown them serving."""
    begun = db.execute(
        "SELECT c.node FROM attempts a JOIN cases c ON c.id = a.case_id WHERE a.ended_at IS NULL AND a.step = 'cordon'"
    )
    nodes = {row["node"] for row in begun}
    moved = db.execute(
        "SELECT c.node, a.step, a.case_id FROM attempts a JOIN cases c ON c.id = a.case_id "
        "WHERE a.step IN ('cordon', 'resume') AND a.outcome = 'done' AND a.ended_at > ? ORDER BY a.id",
        (now - ENGINE_AGE_SECONDS,),
    )
    last = {row["case_id"]: row for row in moved}
    return frozenset(nodes | {row["node"] for row in last.values() if row["step"] == "cordon"})


def _blind(db: Connection, now: float, settings: Settings) -> bool:
    if settings.alertmanager.watchdog_alert is None:
        return False
    row = db.execute("SELECT at FROM heartbeats WHERE source = ?", (SOURCE_WATCHDOG,)).fetchone()
    return row is None or now - row["at"] > settings.alertmanager.blind_after_seconds


def _request(
    db: Connection, now: float, settings: Settings, item: Asked, opt_outs: Mapping[tuple[str, str], str]
) -> Request:
    row, step = item.row, item.step
    fault = settings.catalogue.classes[row["fault_class"]]
    faults = rows.acting_faults(db, row["id"])
    larger = None
    if row["scope"] == SCOPE_NODE:
        locations = [seen["location"] for seen in faults if seen["fault_class"] == fault.name]
        larger = domains.covering(db, settings, row["node"], fault, locations)
    text = f"Case {larger['id']} of {larger['node']} covers {row['node']}." if larger is not None else None
    return Request(
        case_id=row["id"],
        node=row["node"],
        action=ACTION_OF_STEP[step],
        token=owner_token(row["id"]),
        authority=fault.authority,
        evidence_at=_evidence_at(db, row, faults),
        approved=approved(row, step, now, settings),
        attempts=_attempts(db, now, row, step, rows.devices_of(faults, fault.name)),
        granted_before=item.running is not None and not _overdue(item, fault, now),
        removes_node=fault.removes_node,
        fault_class=fault.name,
        opt_out=wishes.against(opt_outs, row["node"], fault.name, removing=step != "resume"),
        inhibited=text,
        blind=step == "resume" and _blind_about(db, row["node_id"]),
        validated=step != "resume" or _validated(db, row),
    )


def _overdue(item: Asked, fault: FaultClass, now: float) -> bool:
    """Whether a step that was begun and never ended may have waited so long that its reason is gone. On a node that is
    out already the reason is that it is out."""
    late = item.running is not None and now > item.running["deadline"]
    return late and (item.step == "cordon" or not fault.removes_node)


def _evidence_at(db: Connection, row: Row, faults: Sequence[Row]) -> float | None:
    """The newest time at which the fault was known to be there, minus infinity if nothing says so any more.

    A kernel line counts in the boot in which it was spoken; what can be taken back counts until then, and as long as
    it is repeated. None: the node is out already, and how old the evidence is does not matter any more.
    """
    if rows.took_out(db, row["id"]):
        return None
    boot = boots.newest(db, row["node_id"])
    times = [
        seen["line_seen"]
        for seen in faults
        if seen["line_seen"] is not None and (not seen["boot"] or not boot or seen["boot"] == boot)
    ]
    reported = db.execute(
        "SELECT max(last_seen) FROM signals WHERE case_id = ? AND lane <> 'kernel' AND cleared_at IS NULL "
        "AND disposition IN ('opened', 'merged')",
        (row["id"],),
    ).fetchone()[0]
    if reported is not None:
        times.append(reported)
    if times:
        # Whoever waited for the node to be idle knew that it would last; a reboot meanwhile ends that.
        waited = db.execute(
            "SELECT max(ended_at) FROM attempts WHERE case_id = ? AND step = 'await_idle' AND outcome = 'done' "
            "AND boot_before = ?",
            (row["id"], boot),
        ).fetchone()[0]
        times.append(waited or 0.0)
    return max(times, default=float("-inf"))


def _attempts(db: Connection, now: float, row: Row, step: str, devices: Sequence[str]) -> int:
    """How often this was tried on the node in the last 24 h; a reset is counted for each device.

    What failed before it reached the node or its hardware was no try.
    """
    resets = ("reset", "reset_group")
    listed, values = rows.among("step", resets if step in resets else (step,))
    earlier = db.execute(
        f"SELECT devices FROM attempts WHERE node_id = ? AND {listed} AND began_at > ? "  # noqa: S608
        "AND reached = 1 AND (outcome IS NULL OR outcome NOT IN ('refused', 'capped'))",
        (row["node_id"], *values, now - DAY_SECONDS),
    ).fetchall()
    if step not in resets:
        return len(earlier)
    touched = [json.loads(item["devices"]) for item in earlier]
    return max((sum(device in names for names in touched) for device in devices), default=0)


def _blind_about(db: Connection, node_id: str) -> bool:
    """Whether an alert says that the monitoring of this node is broken."""
    row = db.execute(
        "SELECT 1 FROM signals WHERE node_id = ? AND fault_class = ? AND lane <> 'kernel' AND cleared_at IS NULL "
        "LIMIT 1",
        (node_id, BLIND_CLASS),
    ).fetchone()
    return row is not None


def _validated(db: Connection, row: Row) -> bool:
    """Whether a validation passed since the newest fault and the last repair of the case."""
    listed, values = rows.among("step", ("validate", *REPAIRS))
    last = db.execute(
        f"SELECT step, outcome FROM attempts WHERE case_id = ? AND epoch = ? AND {listed} "  # noqa: S608
        "AND outcome IN ('done', 'failed') ORDER BY id DESC LIMIT 1",
        (row["id"], row["epoch"], *values),
    ).fetchone()
    return last is not None and last["step"] == "validate" and last["outcome"] == "done"
