# Tests of beginning and finishing steps: leases, the gate's effects, deadlines, caps, resuming.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SOURCE_WATCHDOG
from ansible_collections.aidc.ops.plugins.module_utils._errors import LeaseLostError, LedgerError, StepError
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Clock, Site


def case_on(site: Site, node: str = "gpu2", fault: str = "gpu_fell_off_bus") -> int:
    return int(site.record(site.line(node, fault)).new_case_ids[0])


def out(site: Site, node: str = "gpu2", fault: str = "gpu_fell_off_bus") -> int:
    """A case whose node is out and drained."""
    case_id = case_on(site, node, fault)
    site.do(case_id, "cordon", "evidence", "drain")
    return case_id


def test_no_step_without_a_lease(site: Site) -> None:
    case_id = case_on(site)
    with pytest.raises(LeaseLostError, match="not leased to ctl:1:1"):
        site.ledger.begin_step(case_id, "cordon", "ctl:1:1", site.settings, site.engine.nodes())
    site.ledger.lease([case_id], "ctl:2:2", 60)
    with pytest.raises(LeaseLostError, match="ctl:2:2"):
        site.begin(case_id, "cordon")
    site.clock.forward(61)
    assert site.begin(case_id, "cordon").proceed


def test_a_step_out_of_order_is_refused(site: Site) -> None:
    case_id = case_on(site)
    for step in ("reboot", "resume", "evidence", "nonsense"):
        assert site.begin(case_id, step).reason == "not_due"
    with pytest.raises(StepError, match="was not begun"):
        site.finish(case_id, "cordon")
    site.begin(case_id, "cordon")
    with pytest.raises(StepError, match="ends as one of"):
        site.finish(case_id, "cordon", "perhaps")
    with pytest.raises(StepError, match="was not begun"):
        site.finish(case_id, "reboot")
    with pytest.raises(LedgerError, match="no case 99"):
        site.begin(99, "cordon")


def test_begun_before_is_resumed_with_the_same_attempt(site: Site) -> None:
    case_id = out(site)
    first = site.begin(case_id, "reboot")
    site.clock.forward(30)
    second = site.begin(case_id, "reboot")
    assert (first.resumed, second.resumed) == (False, True)
    assert first.attempt == second.attempt == 1
    assert first.deadline == second.deadline
    assert first.context["attempt_token"] == second.context["attempt_token"]


def test_another_holder_resumes_too_and_the_first_one_has_lost(site: Site) -> None:
    case_id = out(site)
    site.begin(case_id, "reboot")
    site.ledger.reclaim_dead(lambda holder: False)
    site.ledger.lease(None, "ctl:2:2", 60)
    grant = site.ledger.begin_step(case_id, "reboot", "ctl:2:2", site.settings, site.engine.nodes())
    assert grant.proceed and grant.resumed
    with pytest.raises(LeaseLostError):
        site.finish(case_id, "reboot")


def test_finishing_twice_is_no_error_when_it_says_the_same(site: Site) -> None:
    case_id = case_on(site)
    site.begin(case_id, "cordon")
    assert site.finish(case_id, "cordon") == site.finish(case_id, "cordon")
    with pytest.raises(StepError):
        site.finish(case_id, "cordon", "failed")


def test_waiting_until_the_deadline_then_the_next_rung_then_a_ticket(site: Site) -> None:
    case_id = out(site)
    for rung, following_step in (("reboot", "power_cycle"), ("power_cycle", "ticket")):
        assert site.begin(case_id, rung).attempt == 1
        following = site.finish(case_id, rung, "waiting")
        assert (following.step, following.state) == (rung, "open")
        assert following.due_at == site.clock.now + 10
        assert site.begin(case_id, rung).reason == "not_due"
        site.clock.forward(1201)
        grant = site.begin(case_id, rung)
        assert grant.proceed and grant.resumed
        assert site.finish(case_id, rung, "waiting").step == following_step
    assert site.do(case_id, "ticket").state == "quarantined"


def test_a_step_that_nobody_can_end_fails_by_itself(site: Site) -> None:
    """Each run dies in the middle of the step; after the deadline one more may look, then it has failed."""
    case_id = out(site)
    site.begin(case_id, "reboot")
    site.clock.forward(901)
    assert site.begin(case_id, "reboot").resumed
    assert site.begin(case_id, "reboot").reason == "deadline"
    assert site.begin(case_id, "power_cycle").attempt == 1


def test_caps_count_over_cases_and_lead_to_a_ticket(site: Site) -> None:
    site.gate(resets_per_gpu_per_day=2)
    for _number in range(2):
        case_id = out(site, fault="gpu_row_remap_failure")
        site.do(case_id, "reset", "validate", "resume")
        site.clock.forward(3600)
    case_id = out(site, fault="gpu_row_remap_failure")
    assert site.begin(case_id, "reset").reason == "attempts"
    assert site.ledger.case(case_id).step == "ticket"
    assert site.do(case_id, "ticket").state == "quarantined"
    # Another GPU has a count of its own.
    other = site.line("gpu5", recognition=Recognition("gpu_row_remap_failure", "gpu:0000:2b:00", 64))
    (number,) = site.record(other).new_case_ids
    site.do(number, "cordon", "evidence", "drain", "reset")


def test_caps_end_after_a_day(site: Site) -> None:
    site.gate(reboots_per_node_per_day=1)
    case_id = out(site)
    site.do(case_id, "reboot", "validate", "resume")
    site.clock.forward(86401)
    case_id = int(site.record(site.line(boot=200)).new_case_ids[0])
    site.do(case_id, "cordon", "evidence", "drain", "reboot")


def test_a_refused_attempt_was_none(site: Site) -> None:
    case_id = out(site, fault="gpu_row_remap_failure")
    for _number in range(4):
        assert site.begin(case_id, "reset").proceed
        assert site.finish(case_id, "reset", "refused", reason_code="foreign_drain").state == "held"
        site.clock.forward(31)
    site.do(case_id, "reset")


def test_held_for_now_is_looked_at_again(site: Site) -> None:
    site.gate(out_max=1)
    first, second = case_on(site, "gpu2"), case_on(site, "gpu3")
    site.do(first, "cordon")
    assert site.begin(second, "cordon").reason == "budget_count"
    case = site.ledger.case(second)
    assert (case.state, case.hold_reason, case.due_at) == ("held", "budget_count", site.clock.now + 30)
    site.ledger.release(site.holder)
    site.clock.forward(31)
    assert second in site.ledger.due(site.clock.now)
    site.do(first, "evidence", "drain", "reboot", "validate", "resume")
    site.do(second, "cordon")
    assert site.ledger.case(second).state == "open"


def test_the_same_refusal_is_told_once(site: Site) -> None:
    site.gate(out_max=0)
    case_id = case_on(site)
    for _number in range(5):
        site.begin(case_id, "cordon")
        site.clock.forward(31)
    kinds = [event.kind for event in site.ledger.timeline(case_id)]
    assert kinds.count("decision") == kinds.count("held") == 1
    assert site.ledger.counters()["skipped"] == {"budget_count": 1}


def test_stale_evidence_waits_for_a_person(site: Site) -> None:
    case_id = case_on(site)
    site.clock.forward(901)
    assert site.begin(case_id, "cordon").reason == "stale"
    case = site.ledger.case(case_id)
    assert (case.state, case.due_at) == ("held", None)
    assert site.ledger.approve(case_id, "kim")
    assert site.begin(case_id, "cordon").proceed


def test_fresh_evidence_ends_the_waiting(site: Site) -> None:
    case_id = case_on(site)
    site.clock.forward(901)
    site.begin(case_id, "cordon")
    site.record(site.line())
    assert site.begin(case_id, "cordon").proceed


def test_age_does_not_matter_once_the_node_is_out(site: Site) -> None:
    case_id = out(site)
    site.clock.forward(7200)
    assert site.begin(case_id, "reboot").proceed


@pytest.mark.parametrize("modes", [{"contain": "approve"}, {"reboot": "approve"}])
def test_approve_mode_asks_before_each_attempt(site: Site, modes: dict[str, str]) -> None:
    site.gate(modes=replace(site.settings.gate.modes, **modes))
    case_id = case_on(site)
    if "reboot" in modes:
        site.do(case_id, "cordon", "evidence", "drain")
    step = site.ledger.case(case_id).step
    assert step is not None
    assert site.begin(case_id, step).reason == "mode_approve"
    assert site.ledger.case(case_id).due_at is None
    assert site.ledger.approve(case_id, "kim")
    assert not site.ledger.approve(case_id, "kim")
    assert site.begin(case_id, step).proceed
    if step == "cordon":
        site.finish(case_id, step, "failed")
        site.clock.forward(20)
        assert site.begin(case_id, step).reason == "mode_approve"


def test_observe_closes_the_case_with_what_would_have_been_done(tmp_path: Path, clock: Clock) -> None:
    site = Site(tmp_path, clock, mode="observe")
    case_id = case_on(site)
    grant = site.begin(case_id, "cordon")
    assert (grant.proceed, grant.reason) == (False, "mode_observe")
    case = site.ledger.case(case_id)
    assert (case.state, case.outcome, case.lease_holder) == ("observed", "observed", None)
    decision = next(event for event in site.ledger.timeline(case_id) if event.kind == "decision")
    assert "would have been done" in decision.text
    assert site.begin(case_id, "cordon").reason == "closed"


def test_observing_only_the_repair_holds_the_node_that_is_out(site: Site) -> None:
    site.gate(modes=replace(site.settings.gate.modes, reboot="observe"))
    case_id = out(site)
    assert site.begin(case_id, "reboot").reason == "mode_observe"
    case = site.ledger.case(case_id)
    assert (case.state, case.due_at) == ("held", None)
    assert site.engine.reason["gpu2"].startswith(case.token)


def test_pause_stops_every_step_and_lets_it_go_on(site: Site) -> None:
    first, second = out(site, "gpu2"), case_on(site, "gpu3")
    site.begin(first, "reboot")
    assert site.ledger.pause(True, "kim")
    assert not site.ledger.pause(True, "kim")
    assert site.begin(first, "reboot").reason == "paused", "a step begun before must not act either"
    assert site.begin(second, "cordon").reason == "paused"
    assert site.ledger.controls()["paused_by"] == "kim"
    assert site.ledger.pause(False, "kim")
    assert site.begin(first, "reboot").resumed
    site.do(second, "cordon")


def test_breaker_stops_removals_and_not_returns(site: Site) -> None:
    site.gate(breaker_failures=2)
    returning, waiting = out(site, "gpu5"), case_on(site, "gpu6")
    site.do(returning, "reboot", "validate")
    for node in ("gpu2", "gpu3"):
        case_id = out(site, node, "gpu_row_remap_failure")
        site.do(case_id, "reset")
        site.begin(case_id, "validate")
        site.finish(case_id, "validate", "failed")
        site.do(case_id, "ticket")
    assert "2 cases failed" in site.ledger.controls()["breaker"]
    assert site.ledger.counters()["breaker_tripped"] == 1
    assert site.begin(waiting, "cordon").reason == "breaker"
    assert site.do(returning, "resume").state == "returned"
    assert site.ledger.rearm("kim")
    assert not site.ledger.rearm("kim")
    site.do(waiting, "cordon")
    assert site.ledger.controls()["breaker"] is None, "failures from before do not trip it again"


def test_blind_monitoring_stops_returns_only(site: Site) -> None:
    alertmanager = replace(site.settings.alertmanager, watchdog_alert="Watchdog")
    site.settings = replace(site.settings, alertmanager=alertmanager)
    case_id = out(site)
    site.do(case_id, "reboot", "validate")
    assert site.begin(case_id, "resume").reason == "blind"
    site.ledger.heartbeat(SOURCE_WATCHDOG, site.clock.now)
    site.clock.forward(61)
    assert site.begin(case_id, "resume").reason == "blind"
    site.ledger.heartbeat(SOURCE_WATCHDOG, site.clock.now)
    site.clock.forward(31)
    assert site.do(case_id, "resume").state == "returned"


def test_an_unreadable_scheduler_stops_what_depends_on_it(site: Site) -> None:
    case_id = case_on(site)
    site.ledger.lease(None, site.holder, 60)
    grant = site.ledger.begin_step(case_id, "cordon", site.holder, site.settings, None)
    assert grant.reason == "blind"
    site.clock.forward(31)
    site.do(case_id, "cordon")
    grant = site.ledger.begin_step(case_id, "evidence", site.holder, site.settings, None)
    assert grant.proceed and grant.context["drained"] is None


def test_a_foreign_drain_is_never_touched(site: Site) -> None:
    site.engine.reason["gpu2"] = "disk, ask Kim"
    case_id = case_on(site)
    assert site.begin(case_id, "cordon").reason == "foreign_drain"
    site.engine.reason["gpu2"] = ""
    site.clock.forward(31)
    site.do(case_id, "cordon", "evidence", "drain")
    site.engine.reason["gpu2"] = "Kim took over"
    assert site.begin(case_id, "reboot").reason == "foreign_drain"
    assert site.engine.reason["gpu2"] == "Kim took over"


def test_a_node_that_a_person_gave_back_is_not_rebooted(site: Site) -> None:
    case_id = out(site)
    site.engine.reason["gpu2"] = ""
    assert site.begin(case_id, "reboot").reason == "not_contained"
    assert site.ledger.case(case_id).due_at is None


def test_drain_waits_past_its_deadline_unless_it_may_force(site: Site) -> None:
    case_id = case_on(site)
    site.do(case_id, "cordon", "evidence")
    site.engine.jobs["gpu2"] = (41,)
    grant = site.begin(case_id, "drain")
    assert grant.context["jobs"] == [41] and grant.context["drained"] is False and grant.context["force"] is False
    site.finish(case_id, "drain", "waiting")
    site.clock.forward(3601)
    assert site.begin(case_id, "drain").context["force"] is False
    following = site.finish(case_id, "drain", "waiting")
    assert (following.step, following.state) == ("drain", "held")
    assert site.ledger.case(case_id).hold_reason == "drain_deadline"
    site.gate(force_after_deadline=True)
    site.clock.forward(11)
    assert site.begin(case_id, "drain").context["force"] is True
    assert site.finish(case_id, "drain").step == "reboot"


def test_parallel_repairs_over_cases(site: Site) -> None:
    site.gate(parallel_repairs=1)
    first, second = out(site, "gpu2"), out(site, "gpu3")
    site.begin(first, "reboot")
    assert site.begin(second, "reboot").reason == "parallel"
    site.finish(first, "reboot")
    site.clock.forward(31)
    site.do(second, "reboot")


def test_cancel_ends_everything_and_leaves_the_node(site: Site) -> None:
    case_id = out(site)
    site.begin(case_id, "reboot")
    assert site.ledger.cancel(case_id, "kim")
    assert not site.ledger.cancel(case_id, "kim")
    assert site.finish(case_id, "reboot").state == "cancelled"
    assert site.begin(case_id, "reboot").reason == "closed"
    assert site.engine.reason["gpu2"]
    # A new case takes the node over from the one that is closed.
    site.clock.forward(10)
    case_id = int(site.record(site.line(boot=200)).new_case_ids[0])
    site.do(case_id, "cordon")
    assert site.engine.reason["gpu2"] == f"aidc.ops:{case_id} gpu_fell_off_bus"


@pytest.mark.parametrize("detail", [{"text": "x" * 200000}, {"boot": 5}, {"boot": "y" * 500}, {"a": {"b": [1, None]}}])
def test_any_detail_is_survived(site: Site, detail: dict[str, Any]) -> None:
    case_id = case_on(site)
    site.begin(case_id, "cordon")
    assert site.finish(case_id, "cordon", **detail).step == "evidence"
    assert site.ledger.timeline(case_id)[-1].kind == "finished"


def test_a_tired_step_waits_for_a_person(site: Site) -> None:
    case_id = case_on(site)
    for _number in range(5):
        site.begin(case_id, "cordon")
        site.finish(case_id, "cordon", "failed")
        site.clock.forward(16)
    case = site.ledger.case(case_id)
    assert (case.state, case.hold_reason, case.step, case.due_at) == ("held", "step_failed", "cordon", None)
    site.ledger.approve(case_id, "kim")
    site.do(case_id, "cordon")
