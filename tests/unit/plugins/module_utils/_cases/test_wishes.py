# Tests of what persons want: opt-outs, approvals that expire, and that the history names who said what.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site


def case_on(site: Site, node: str = "gpu2", fault: str = "gpu_fell_off_bus") -> int:
    return int(site.record(site.line(node, fault)).new_case_ids[0])


def said(site: Site, case_id: int) -> list[tuple[str, str]]:
    """(action, by) of everything that persons said about a case."""
    events = site.ledger.timeline(case_id)
    return [(event.detail["action"], event.detail["by"]) for event in events if event.kind == "control"]


@pytest.mark.parametrize(("kind", "name"), [("node", "gpu2"), ("class", "gpu_fell_off_bus")])
def test_an_opt_out_stops_everything_new_until_it_ends(site: Site, kind: str, name: str) -> None:
    until = site.clock.now + 600
    assert site.ledger.opt_out(kind, name, until, "kim", "memory is being changed")
    assert not site.ledger.opt_out(kind, name, until, "kim", "memory is being changed")
    (listed,) = site.ledger.opt_outs()
    assert (listed["kind"], listed["name"], listed["until"], listed["by"]) == (kind, name, until, "kim")
    case_id = case_on(site)
    grant = site.begin(case_id, "cordon")
    assert grant.reason == "opt_out" and "kim" in grant.text and "memory is being changed" in grant.text
    assert site.ledger.case(case_id).due_at == site.clock.now + 30
    other = case_on(site, "gpu3", "gpu_row_remap_failure")
    assert site.begin(other, "cordon").proceed
    site.clock.forward(601)
    assert site.ledger.opt_outs() == []
    assert site.begin(case_id, "cordon").proceed


def test_an_opt_out_of_a_node_leaves_it_as_it_is(site: Site) -> None:
    case_id = case_on(site)
    site.do(case_id, "cordon", "evidence", "drain")
    site.begin(case_id, "reboot")
    site.ledger.opt_out("node", "gpu2", site.clock.now + 6000, "kim", "hands off")
    assert site.begin(case_id, "reboot").reason == "opt_out", "what was begun must not act either"
    assert site.ledger.end_opt_out("node", "gpu2", "kim")
    assert not site.ledger.end_opt_out("node", "gpu2", "kim")
    assert site.begin(case_id, "reboot").resumed
    site.finish(case_id, "reboot")
    site.do(case_id, "validate")
    site.ledger.opt_out("node", "gpu2", site.clock.now + 6000, "kim", "hands off")
    assert site.begin(case_id, "resume").reason == "opt_out"
    assert ("opt_out", "kim") in said(site, case_id) and ("opt_in", "kim") in said(site, case_id)


def test_an_opt_out_of_a_class_lets_nodes_return(site: Site) -> None:
    case_id = case_on(site)
    site.do(case_id, "cordon", "evidence", "drain", "reboot", "validate")
    site.ledger.opt_out("class", "gpu_fell_off_bus", site.clock.now + 6000, "kim", "new driver")
    assert site.do(case_id, "resume").state == "returned"


def test_an_opt_out_ends_no_jobs(site: Site) -> None:
    site.gate(force_after_deadline=True)
    case_id = case_on(site)
    site.do(case_id, "cordon", "evidence")
    site.engine.jobs["gpu2"] = (41,)
    assert site.begin(case_id, "drain").context["force"] is True, "the class drains now"
    site.ledger.opt_out("class", "gpu_fell_off_bus", site.clock.now + 6000, "kim", "new driver")
    assert site.begin(case_id, "drain").context["force"] is False


@pytest.mark.parametrize(("kind", "until"), [("rack", 600.0), ("node", 0.0), ("node", float("nan"))])
def test_an_opt_out_that_makes_no_sense_is_an_error(site: Site, kind: str, until: float) -> None:
    with pytest.raises(LedgerError):
        site.ledger.opt_out(kind, "gpu2", site.clock.now + until, "kim", "x")


def test_an_approval_expires(site: Site) -> None:
    site.gate(modes=replace(site.settings.gate.modes, contain="approve"), approval_expires_seconds=600)
    case_id = case_on(site)
    assert site.begin(case_id, "cordon").reason == "mode_approve"
    site.ledger.approve(case_id, "kim")
    site.ledger.pause(True, "robin")
    site.clock.forward(601)
    site.ledger.pause(False, "robin")
    assert site.begin(case_id, "cordon").reason in ("mode_approve", "stale")
    assert site.ledger.case(case_id).due_at is None
    assert any("expired" in event.text for event in site.ledger.timeline(case_id))
    # ... and can be given again.
    assert site.ledger.approve(case_id, "robin")
    assert site.begin(case_id, "cordon").proceed
    case = site.ledger.case(case_id)
    assert (case.approved_by, case.approved_at) == ("robin", site.clock.now)


def test_the_history_names_who_approved_and_who_cancelled(site: Site) -> None:
    site.gate(modes=replace(site.settings.gate.modes, contain="approve"))
    case_id = case_on(site)
    site.begin(case_id, "cordon")
    site.ledger.approve(case_id, "kim")
    site.do(case_id, "cordon")
    site.ledger.cancel(case_id, "robin")
    assert said(site, case_id) == [("approve", "kim")]
    events = site.ledger.timeline(case_id)
    begun = next(event for event in events if event.kind == "begun")
    assert begun.detail["approved_by"] == "kim"
    assert events[-1].kind == "state" and events[-1].detail == {"state": "cancelled", "by": "robin"}


def test_a_class_mode_is_the_more_cautious_one(site: Site) -> None:
    site.gate(class_modes={"gpu_fell_off_bus": "observe", "gpu_row_remap_failure": "approve"})
    assert site.begin(case_on(site), "cordon").reason == "mode_observe"
    assert site.begin(case_on(site, "gpu3", "gpu_row_remap_failure"), "cordon").reason == "mode_approve"
    assert site.begin(case_on(site, "gpu4", "gpu_stopped"), "cordon").proceed
    site.gate(modes=replace(site.settings.gate.modes, contain="observe"), class_modes={"gpu_stopped": "act"})
    assert site.begin(case_on(site, "gpu5", "gpu_stopped"), "cordon").reason == "mode_observe"


def test_a_class_that_is_only_observed_tells_nobody_either(site: Site) -> None:
    site.gate(class_modes={"psu_failed": "observe"})
    alert = site.alert("gpu4", "psu_failed")
    (case_id,) = site.record(alert).new_case_ids
    assert site.begin(case_id, "evidence").reason == "mode_observe"
    assert site.ledger.case(case_id).state == "observed"
    assert site.record(alert).new_case_ids == ()


def test_waiting_for_idleness_is_the_beginning_of_a_removal(site: Site) -> None:
    site.gate(modes=replace(site.settings.gate.modes, contain="observe"))
    case_id = case_on(site, fault="gpu_row_remap_pending")
    site.clock.forward(181)
    assert site.begin(case_id, "await_idle").reason == "mode_observe"
    assert site.ledger.case(case_id).state == "observed"
