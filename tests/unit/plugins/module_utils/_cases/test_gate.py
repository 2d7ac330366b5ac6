# Tests of the gate: every reason, the order of a batch, and that a batch never exceeds a limit.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import REASONS, Request, World, decide
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import ACTIONS, GatePolicy, Modes
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import NodeSettings
from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode

ACT = Modes(**dict.fromkeys(ACTIONS, "act"))
WIDE = GatePolicy(out_percent=100, out_max=1000, per_rack=1000, per_job=1000, parallel_repairs=1000, modes=ACT)
NOW = 1_790_000_000.0


def node(name: str, reason: str = "", automatic: bool = False, jobs: tuple[int, ...] = ()) -> EngineNode:
    out = bool(reason) or automatic
    return EngineNode(name, ("idle",), reason, out, out and not jobs, automatic, jobs)


def world(count: int = 4, **changes: Any) -> World:
    names = [f"gpu{number}" for number in range(1, count + 1)]
    base = World(
        now=NOW,
        settings_nodes={name: NodeSettings(pool="gpu", rack=f"rack-{name}") for name in names},
        engine={name: node(name) for name in names},
    )
    return replace(base, **changes)


def ask(action: str = "contain", name: str = "gpu1", **changes: Any) -> Request:
    return Request(case_id=7, node=name, action=action, token="aidc.ops:7", **changes)


def codes(requests: list[Request], seen: World, policy: GatePolicy = WIDE) -> list[str]:
    return [verdict.reason_code for verdict in decide(requests, seen, policy)]


OURS = {"gpu1": node("gpu1", "aidc.ops:7 gpu_fell_off_bus")}


@pytest.mark.parametrize(
    ("request_", "changes", "policy", "code"),
    [
        (ask(), {}, WIDE, ""),
        (ask(), {"paused": "paused by a person"}, WIDE, "paused"),
        (ask(), {"breaker": "three failed"}, WIDE, "breaker"),
        (ask(), {"storm": "ten nodes"}, WIDE, "storm"),
        (ask(), {"engine": None}, WIDE, "blind"),
        (ask(name="gpu9"), {}, WIDE, "unknown_node"),
        (ask(), {"engine": {}}, WIDE, "unknown_node"),
        (ask(), {"engine": {"gpu1": node("gpu1", "disk, ask Kim")}}, WIDE, "foreign_drain"),
        (ask(), {"engine": {"gpu1": node("gpu1", "Not responding", automatic=True)}}, WIDE, ""),
        (ask(), {"engine": {"gpu1": node("gpu1", "aidc.ops:3 older case")}}, WIDE, ""),
        (ask(evidence_at=NOW - 901), {}, WIDE, "stale"),
        (ask(evidence_at=NOW - 899), {}, WIDE, ""),
        (ask(evidence_at=NOW - 901, approved=True), {}, WIDE, ""),
        (ask(evidence_at=NOW + 60), {}, WIDE, ""),
        (ask(), {}, replace(WIDE, modes=Modes()), "mode_observe"),
        (ask(), {}, replace(WIDE, modes=replace(ACT, contain="approve")), "mode_approve"),
        (ask(approved=True), {}, replace(WIDE, modes=replace(ACT, contain="approve")), ""),
        (ask(authority="approval"), {}, WIDE, "mode_approve"),
        (ask(authority="approval", approved=True), {}, WIDE, ""),
        (ask(authority="never", approved=True), {}, WIDE, "mode_observe"),
        # What is out already, or granted, counts.
        (ask(), {"taken": frozenset({"gpu2"})}, replace(WIDE, out_percent=25), "budget_percent"),
        (
            ask(),
            {"engine": {"gpu1": node("gpu1"), "gpu2": node("gpu2", "x")}},
            replace(WIDE, out_max=1),
            "budget_count",
        ),
        (ask(), {}, replace(WIDE, out_percent=1), ""),
        # Repairs.
        (ask("reboot"), {"engine": OURS}, WIDE, ""),
        (ask("reboot"), {}, WIDE, "not_contained"),
        (ask("reboot"), {"engine": {"gpu1": node("gpu1", "aidc.ops:77 x")}}, WIDE, "not_contained"),
        (ask("reboot"), {"engine": {"gpu1": node("gpu1", "Kim works here")}}, WIDE, "foreign_drain"),
        (ask("reboot"), {"engine": {"gpu1": node("gpu1", "aidc.ops:7 x", jobs=(4,))}}, WIDE, "job"),
        (ask("reboot", attempts=2), {"engine": OURS}, WIDE, "attempts"),
        (ask("reset", attempts=2), {"engine": OURS}, WIDE, "attempts"),
        (ask("reset", attempts=1), {"engine": OURS}, WIDE, ""),
        (ask("reboot"), {"engine": OURS, "repairs_running": 4}, replace(WIDE, parallel_repairs=4), "parallel"),
        (ask("reboot"), {"engine": OURS, "breaker": "three failed"}, WIDE, "breaker"),
        (ask("reboot", granted_before=True, attempts=9), {"engine": OURS, "breaker": "x"}, WIDE, ""),
        (ask("reboot", granted_before=True), {"engine": None}, WIDE, "blind"),
        (ask("reboot", granted_before=True), {}, WIDE, "not_contained"),
        (
            ask("reboot", granted_before=True),
            {"engine": {"gpu1": node("gpu1", "Kim works here")}},
            WIDE,
            "foreign_drain",
        ),
        (ask(granted_before=True), {"engine": None, "breaker": "x"}, WIDE, ""),
        (ask("reboot", granted_before=True), {"paused": "paused"}, WIDE, "paused"),
        (ask("restart_service", removes_node=False), {"engine": None}, WIDE, ""),
        (ask("restart_service", removes_node=False, evidence_at=0), {}, WIDE, "stale"),
        # Returns: the breaker does not stop them, a missing heartbeat does.
        (ask("resume"), {"engine": OURS, "breaker": "x", "storm": "y"}, WIDE, ""),
        (ask("resume"), {"engine": OURS, "blind": True}, WIDE, "blind"),
        (ask("resume"), {"engine": OURS, "paused": "x"}, WIDE, "paused"),
        (ask("resume"), {"engine": {"gpu1": node("gpu1", "aidc.ops:71 x")}}, WIDE, "foreign_drain"),
        (ask("resume"), {"engine": {"gpu1": node("gpu1", "Kim works here")}}, WIDE, "foreign_drain"),
        (ask("resume"), {"blind": True}, WIDE, ""),
        (ask("resume"), {"engine": None}, WIDE, "blind"),
        (ask("resume"), {"engine": {}}, WIDE, "unknown_node"),
        (ask("resume", blind=True), {"engine": OURS}, WIDE, "blind"),
        (ask("resume", validated=False), {"engine": OURS}, WIDE, "unvalidated"),
        (ask("resume", validated=False), {}, WIDE, ""),
        (ask("resume", inhibited="a rack"), {"engine": OURS}, WIDE, ""),
        # Persons and larger cases.
        (ask(opt_out="Kim wants it"), {}, WIDE, "opt_out"),
        (ask("resume", opt_out="Kim wants it"), {"engine": OURS}, WIDE, "opt_out"),
        (ask("reboot", opt_out="Kim wants it", granted_before=True), {"engine": OURS}, WIDE, "opt_out"),
        (ask(inhibited="a rack"), {}, WIDE, "inhibited"),
        (ask("reboot", inhibited="a rack"), {"engine": OURS}, WIDE, "inhibited"),
        (ask("reboot", inhibited="a rack", granted_before=True), {"engine": OURS}, WIDE, ""),
        (ask(fault_class="a"), {}, replace(WIDE, class_modes={"a": "approve"}), "mode_approve"),
        (ask(fault_class="a"), {}, replace(WIDE, class_modes={"b": "observe"}), ""),
        (ask(fault_class="a"), {}, replace(WIDE, modes=Modes(), class_modes={"a": "act"}), "mode_observe"),
        # Repairs that do not last.
        (
            ask("reboot", fault_class="a"),
            {"engine": OURS, "flapping": {"a": frozenset({8})}},
            WIDE,
            "flapping",
        ),
        (ask("reboot", fault_class="a"), {"engine": OURS, "flapping": {"a": frozenset({7})}}, WIDE, ""),
        (ask("reboot", fault_class="b"), {"engine": OURS, "flapping": {"a": frozenset({8})}}, WIDE, ""),
        (ask("power_cycle", attempts=1), {"engine": OURS}, WIDE, "attempts"),
        (ask("fsck", attempts=99), {"engine": OURS}, WIDE, ""),
        # Nothing that still holds.
        (ask(evidence_at=float("-inf")), {}, WIDE, "stale"),
        # It is out for this very case: nobody has to ask again whether it may.
        (ask(evidence_at=0), {"engine": OURS}, WIDE, ""),
        (
            ask("restart_service", removes_node=False),
            {"engine": {"gpu1": node("gpu1", "Kim works here")}},
            WIDE,
            "foreign_drain",
        ),
        # What adds capacity needs a mode, and no room in the limits.
        (ask("scale_out", name="rack:A"), {"engine": None, "breaker": "x", "storm": "y"}, WIDE, ""),
        (ask("failover", name="server:x"), {"paused": "paused"}, WIDE, "paused"),
        (ask("swap_spare"), {}, replace(WIDE, modes=replace(ACT, swap_spare="approve")), "mode_approve"),
        (ask("failover", granted_before=True, name="server:x"), {"engine": None}, WIDE, ""),
    ],
)
def test_one_request(request_: Request, changes: dict[str, Any], policy: GatePolicy, code: str) -> None:
    verdict = decide([request_], world(**changes), policy)[0]
    assert verdict.reason_code == code
    assert verdict.allowed == (code == "")
    assert verdict.text
    assert code in REASONS | {""}


def test_the_strictest_limit_holds_inside_a_batch() -> None:
    asked = [ask(name=f"gpu{number}") for number in range(1, 5)]
    assert codes(asked, world(), replace(WIDE, out_percent=50)) == ["", "", "budget_percent", "budget_percent"]
    assert codes(asked, world(), replace(WIDE, out_max=3)) == ["", "", "", "budget_count"]


def test_unknown_racks_are_one_domain() -> None:
    seen = world(settings_nodes={f"gpu{number}": NodeSettings(pool="gpu") for number in range(1, 5)})
    asked = [ask(name=f"gpu{number}") for number in range(1, 5)]
    assert codes(asked, seen, replace(WIDE, per_rack=2)) == ["", "", "rack", "rack"]


def test_leaf_limit_only_where_it_is_set() -> None:
    nodes = {f"gpu{number}": NodeSettings(pool="gpu", rack=str(number), leaf="leaf1") for number in range(1, 5)}
    asked = [ask(name=f"gpu{number}") for number in range(1, 5)]
    assert codes(asked, world(settings_nodes=nodes), replace(WIDE, per_leaf=1)) == ["", "leaf", "leaf", "leaf"]
    assert codes(asked, world(settings_nodes=nodes)) == ["", "", "", ""]


def test_one_node_per_running_job() -> None:
    engine = {name: node(name, jobs=(11,)) for name in ("gpu1", "gpu2")}
    engine["gpu3"] = node("gpu3", jobs=(12,))
    asked = [ask(name="gpu1"), ask(name="gpu2"), ask(name="gpu3")]
    assert codes(asked, world(engine=engine), replace(WIDE, per_job=1)) == ["", "job", ""]


def test_pools_have_budgets_of_their_own() -> None:
    nodes = {"gpu1": NodeSettings(pool="a", rack="1"), "gpu2": NodeSettings(pool="b", rack="2")}
    asked = [ask(name="gpu1"), ask(name="gpu2")]
    assert codes(asked, world(settings_nodes=nodes), replace(WIDE, out_percent=10)) == ["", ""]


def test_parallel_repairs_count_inside_a_batch() -> None:
    engine = {name: node(name, "aidc.ops:7 x") for name in ("gpu1", "gpu2", "gpu3")}
    asked = [ask("reset", name) for name in engine]
    assert codes(asked, world(engine=engine), replace(WIDE, parallel_repairs=2)) == ["", "", "parallel"]


def test_a_lone_repair_is_lone_inside_a_batch() -> None:
    engine = {name: node(name, "aidc.ops:7 x") for name in ("gpu1", "gpu2")}
    asked = [
        replace(ask("reset", name, fault_class="a"), case_id=at, token="aidc.ops:7") for at, name in enumerate(engine)
    ]
    assert codes(asked, world(engine=engine, flapping={"a": frozenset()})) == ["", "flapping"]


def test_observe_says_what_would_have_been_done() -> None:
    observe = replace(WIDE, modes=Modes(), out_percent=1)
    first, second = decide([ask(), ask(name="gpu2")], world(), observe)
    assert "would have been done" in first.text
    assert "would have been refused" in second.text and "are out" in second.text


@given(
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=30),
    st.sets(st.integers(1, 12), max_size=4),
    st.integers(0, 100),
    st.integers(0, 12),
    st.integers(0, 5),
)
def test_no_batch_takes_more_than_the_limits(
    asked: list[tuple[int, bool]], out: set[int], percent: int, out_max: int, per_rack: int
) -> None:
    names = [f"gpu{number}" for number in range(1, 13)]
    seen = World(
        now=NOW,
        settings_nodes={name: NodeSettings(pool="gpu", rack=str(at // 4)) for at, name in enumerate(names)},
        engine={name: node(name, "Kim works here" if at + 1 in out else "") for at, name in enumerate(names)},
    )
    policy = replace(WIDE, out_percent=percent, out_max=out_max, per_rack=per_rack)
    requests = [ask(name=f"gpu{number}", evidence_at=0 if old else NOW) for number, old in asked]
    verdicts = decide(requests, seen, policy)
    taken = {request.node for request, verdict in zip(requests, verdicts, strict=True) if verdict.allowed}
    foreign = {f"gpu{number}" for number in out}
    assert not taken & foreign
    if taken:
        everything = taken | foreign
        assert len(everything) <= max(min(max(1, 12 * percent // 100), out_max), len(foreign))
        for rack in range(3):
            in_rack = {name for name in everything if (int(name[3:]) - 1) // 4 == rack}
            assert len(in_rack) <= max(per_rack, len(in_rack & foreign))
    # The same question gives the same answer, and asking for more never turns an earlier refusal into a grant.
    assert decide(requests, seen, policy) == verdicts
    assert decide(requests[: len(requests) // 2], seen, policy) == verdicts[: len(requests) // 2]
