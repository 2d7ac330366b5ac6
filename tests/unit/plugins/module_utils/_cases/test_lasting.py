# Tests of what is learned over days: nodes that come back too often, repairs that do not last, caps, the breaker.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import BOOT, Clock, Site

OUT = ("cordon", "evidence", "drain")


def opened(site: Site, node: str = "gpu2", fault: str = "gpu_stopped", boot: int = 100) -> int:
    return int(site.record(site.line(node, fault, boot)).new_case_ids[0])


def returned(site: Site, node: str = "gpu2", fault: str = "gpu_stopped") -> int:
    case_id = opened(site, node, fault)
    site.do(case_id, *OUT, "reset", "validate", "resume")
    return case_id


def test_a_lemon_passes_its_validation_and_is_not_returned(site: Site) -> None:
    site.gate(lemon_cases=2)
    for _number in range(2):
        returned(site)
        site.clock.forward(3 * 86400)
    case_id = opened(site)
    site.do(case_id, *OUT, "reset")
    assert site.do(case_id, "validate").step == "ticket"
    assert site.do(case_id, "ticket").state == "quarantined"
    case = site.ledger.case(case_id)
    assert "node_lemon" in case.fault_classes and case.fault_class == "gpu_stopped"
    assert any(event.detail.get("reason") == "node_lemon" for event in site.ledger.timeline(case_id))
    assert site.ledger.controls()["breaker"] is None
    # A person has looked at it: it is counted anew.
    site.ledger.cancel(case_id, "kim")
    site.engine.reason["gpu2"] = ""
    site.clock.forward(86400)
    case_id = opened(site, boot=200)
    assert site.do(case_id, *OUT, "reset", "validate", "resume").state == "returned"


def test_cases_of_other_nodes_and_of_long_ago_make_no_lemon(site: Site) -> None:
    site.gate(lemon_cases=2)
    returned(site)
    site.clock.forward(31 * 86400)
    returned(site)
    returned(site, "gpu3")
    site.clock.forward(86400)
    returned(site)


def test_of_a_class_whose_repairs_do_not_last_one_is_repaired_at_a_time(site: Site) -> None:
    site.gate(flap_failures=2, breaker_failures=100)
    for node in ("gpu2", "gpu3"):
        case_id = opened(site, node)
        site.do(case_id, *OUT, "reset")
        site.begin(case_id, "validate")
        site.finish(case_id, "validate", "failed")
        site.ledger.cancel(case_id, "kim")
    first, second = opened(site, "gpu4"), opened(site, "gpu5")
    site.do(first, *OUT)
    site.do(second, *OUT)
    other = opened(site, "gpu6", "gpu_row_remap_failure")
    site.do(other, *OUT, "reset")
    site.do(first, "reset")
    assert site.begin(second, "reset").reason == "flapping"
    # Repaired, but not proven: the next one still waits.
    site.clock.forward(31)
    assert site.begin(second, "reset").reason == "flapping"
    site.do(first, "validate")
    site.clock.forward(31)
    assert site.begin(second, "reset").proceed


def test_a_fault_that_comes_back_after_its_return_counts_as_well(site: Site) -> None:
    site.gate(flap_failures=1)
    returned(site)
    site.clock.forward(3600)
    again, other = opened(site), opened(site, "gpu5")
    site.do(again, *OUT)
    site.do(other, *OUT)
    site.begin(again, "reset")
    assert site.begin(other, "reset").reason == "flapping"
    # Its own repair is never in its own way.
    site.finish(again, "reset")
    site.clock.forward(5)
    site.record(site.line("gpu2", "gpu_stopped"))
    site.do(again, "evidence")
    assert site.begin(again, "reboot").proceed


def test_caps_are_kept_across_restarts_and_lead_to_the_next_rung(tmp_path: Path, clock: Clock) -> None:
    site = Site(tmp_path, clock, lemon_cases=100, flap_failures=100)
    for number in range(2):
        case_id = opened(site, boot=100 + number)
        site.do(case_id, *OUT, "reset", "validate", "resume")
        site.clock.forward(600)
    site.ledger.close()
    site.ledger = Ledger(site.settings.ledger, clock)
    case_id = opened(site, boot=103)
    site.do(case_id, *OUT)
    assert site.begin(case_id, "reset").reason == "attempts"
    assert site.ledger.case(case_id).step == "reboot"
    site.do(case_id, "reboot")


def test_one_power_cycle_in_a_day(site: Site) -> None:
    site.gate(lemon_cases=100, reboots_per_node_per_day=0)
    case_id = opened(site, fault="gpu_fell_off_bus")
    site.do(case_id, *OUT)
    assert site.begin(case_id, "reboot").reason == "attempts"
    site.do(case_id, "power_cycle", "validate", "resume")
    site.clock.forward(600)
    case_id = opened(site, fault="gpu_fell_off_bus", boot=200)
    site.do(case_id, *OUT)
    assert [site.begin(case_id, rung).reason for rung in ("reboot", "power_cycle")] == ["attempts", "attempts"]
    assert site.do(case_id, "ticket").state == "quarantined"


def test_what_never_reached_the_hardware_uses_up_no_limit(site: Site) -> None:
    site.gate(lemon_cases=100, flap_failures=100, reboots_per_node_per_day=1)
    for number in range(3):
        case_id = opened(site, fault="gpu_fell_off_bus", boot=100 * (number + 1))
        site.do(case_id, *OUT)
        for rung in ("reboot", "power_cycle"):
            assert site.begin(case_id, rung).proceed
            site.finish(case_id, rung, "failed", text="nobody knows its BMC", reached=False)
        # It is a failure all the same: the next rung is taken.
        assert site.do(case_id, "ticket").state == "quarantined"
        site.ledger.cancel(case_id, "kim")
        site.engine.reason["gpu2"] = ""
        site.clock.forward(600)


@pytest.mark.parametrize("reached", [None, True, 0, "", "no", []])
def test_without_a_plain_word_a_failure_counts(site: Site, reached: Any) -> None:
    site.gate(lemon_cases=100, reboots_per_node_per_day=1)
    case_id = opened(site, fault="gpu_fell_off_bus")
    site.do(case_id, *OUT)
    site.begin(case_id, "reboot")
    site.finish(case_id, "reboot", "failed", text="x", reached=reached)
    site.do(case_id, "power_cycle", "validate", "resume")
    site.clock.forward(600)
    case_id = opened(site, fault="gpu_fell_off_bus", boot=300)
    site.do(case_id, *OUT)
    assert site.begin(case_id, "reboot").reason == "attempts"


def test_a_success_that_says_it_reached_nothing_counts(site: Site) -> None:
    site.gate(lemon_cases=100, reboots_per_node_per_day=1)
    case_id = opened(site, fault="gpu_fell_off_bus")
    site.do(case_id, *OUT)
    site.begin(case_id, "reboot")
    site.finish(case_id, "reboot", "done", text="x", reached=False)
    site.do(case_id, "validate", "resume")
    site.clock.forward(600)
    case_id = opened(site, fault="gpu_fell_off_bus", boot=300)
    site.do(case_id, *OUT)
    assert site.begin(case_id, "reboot").reason == "attempts"


def test_a_reset_of_a_group_counts_as_a_reset(site: Site) -> None:
    site.gate(resets_per_gpu_per_day=1)
    case_id = opened(site, fault="gpu_stopped")
    site.do(case_id, *OUT, "reset")
    seen = Recognition("nvlink_fatal", "gpu:0000:1b:00", 74)
    site.clock.forward(5)
    site.record(site.line(recognition=seen))
    site.do(case_id, "evidence")
    assert site.begin(case_id, "reset_group").reason == "attempts"
    modes = replace(site.settings.gate.modes, reset="approve")
    site.gate(resets_per_gpu_per_day=9, modes=modes)
    other = opened(site, "gpu5", "nvlink_fatal")
    site.do(other, *OUT)
    assert site.begin(other, "reset_group").reason == "mode_approve"


def test_the_breaker_re_arms_itself_where_that_is_wanted_and_replays_nothing(site: Site) -> None:
    site.gate(storm_nodes=4, breaker_rearm_seconds=1800)
    firing = site.alert("gpu6", "gpu_fell_off_bus")
    result = site.record(*(site.line(f"gpu{number}", "gpu_fell_off_bus") for number in range(1, 6)), firing)
    assert "for 1800 s" in site.ledger.controls()["breaker"]
    assert site.begin(result.new_case_ids[0], "cordon").reason == "storm"
    for _poll in range(7):
        site.clock.forward(300)
        site.record(firing)
    # The backlog is old by now; what fires still is not.
    reasons = [site.begin(number, "cordon").reason for number in result.new_case_ids]
    assert reasons == ["stale"] * 5 + [""]
    assert site.ledger.controls()["breaker"] is None


def test_without_a_cool_down_only_a_person_re_arms_it(site: Site) -> None:
    site.gate(storm_nodes=4)
    site.record(*(site.line(f"gpu{number}") for number in range(1, 6)))
    site.clock.forward(10_000_000)
    site.record(site.line("gpu7"))
    assert site.ledger.controls()["breaker"] is not None
    assert site.ledger.rearm("kim")


def test_planned_tickets_trip_no_breaker(site: Site) -> None:
    site.gate(breaker_failures=2)
    for node in ("gpu1", "gpu2", "gpu3"):
        (case_id,) = site.record(site.alert(node, "psu_failed")).new_case_ids
        site.do(case_id, "evidence", "ticket")
    site.do(opened(site, "gpu4", "gpu_sram_threshold"), *OUT, "ticket")
    assert site.ledger.controls()["breaker"] is None


def test_a_spare_takes_the_place_of_what_stays_out(site: Site) -> None:
    nodes = {**site.settings.nodes, "gpu8": replace(site.settings.nodes["gpu8"], spare=True)}
    site.settings = replace(site.settings, nodes=nodes)
    site.engine.reason["gpu8"] = "spare"
    case_id = opened(site, fault="gpu_sram_threshold")
    assert site.do(case_id, *OUT, "ticket").step == "swap_spare"
    assert site.begin(case_id, "swap_spare").context["spares"] == ["gpu8"]
    assert site.finish(case_id, "swap_spare").state == "quarantined"
    # One that is in use, or that nobody allows, is none.
    site.engine.reason["gpu8"] = ""
    site.gate(modes=replace(site.settings.gate.modes, swap_spare="observe"))
    case_id = opened(site, "gpu3", fault="gpu_sram_threshold")
    assert site.do(case_id, *OUT, "ticket").state == "quarantined"


def test_a_return_needs_a_validation_that_the_ledger_has(site: Site) -> None:
    """Whatever a catalogue says: the gate looks for itself."""
    workflow = ["cordon", "evidence", "drain", "resume"]
    changes = {"gpu_stopped": {"workflow": workflow, "repairs": [], "validation": ""}}
    settings = replace(site.settings, fault_classes=changes)
    try:
        assert settings.catalogue.classes["gpu_stopped"].workflow == tuple(workflow)
    except Exception:
        # Even better: such a class is refused.
        return
    site.settings = settings
    case_id = opened(site)
    site.do(case_id, *OUT)
    assert site.begin(case_id, "resume").reason == "unvalidated"


def test_broken_monitoring_of_a_node_keeps_it_out(site: Site) -> None:
    case_id = returned_until_resume(site)
    blind = site.alert("gpu2", "monitoring_blind", recognition=Recognition("monitoring_blind", "node"))
    site.record(blind)
    assert site.begin(case_id, "resume").reason == "blind"
    site.record(replace(blind, cleared=True))
    site.clock.forward(31)
    assert site.do(case_id, "resume").state == "returned"


def returned_until_resume(site: Site) -> int:
    case_id = opened(site)
    site.do(case_id, *OUT, "reset", "validate")
    return case_id


def test_the_boot_decides_whether_a_line_still_holds(site: Site) -> None:
    case_id = opened(site)
    site.record(site.line("gpu2", boot=200, recognition=None))
    grant = site.begin(case_id, "cordon")
    assert grant.reason == "stale" and "Nothing shows" in grant.text


def test_a_grant_that_nobody_used_for_hours_is_asked_for_anew(site: Site) -> None:
    case_id = opened(site)
    assert site.begin(case_id, "cordon").proceed
    site.clock.forward(36000)
    assert site.begin(case_id, "cordon").reason == "stale"
    # The node was taken out before the run died: that is no new removal.
    other = opened(site, "gpu3")
    reason = site.begin(other, "cordon").context["reason"]
    site.engine.reason["gpu3"] = reason
    site.clock.forward(36000)
    assert site.begin(other, "cordon").proceed


def test_an_alert_that_clears_before_anything_is_done_ends_its_case(site: Site) -> None:
    alert = site.alert("gpu3", "gpu_fell_off_bus")
    (case_id,) = site.record(alert).new_case_ids
    site.record(replace(alert, cleared=True))
    assert site.ledger.case(case_id).state == "resolved"
    # It was no repair that has to settle: when it fires again it counts at once.
    site.clock.forward(5)
    assert site.record(alert).new_case_ids == (case_id + 1,)
    # ... and a kernel line is never taken back.
    site.record(site.line("gpu3"))
    site.record(replace(alert, cleared=True))
    assert site.ledger.case(case_id + 1).step == "cordon"


def test_a_stale_alert_that_is_heard_of_again_goes_on(site: Site) -> None:
    alert = site.alert("gpu3", "gpu_fell_off_bus")
    (case_id,) = site.record(alert).new_case_ids
    site.clock.forward(2000)
    assert site.begin(case_id, "cordon").reason == "stale"
    site.record(alert)
    assert site.begin(case_id, "cordon").proceed


def test_what_is_only_told_is_told_once_while_it_lasts(site: Site) -> None:
    alert = site.alert("gpu3", "out_of_memory", recognition=Recognition("out_of_memory", "node"))
    (case_id,) = site.record(alert).new_case_ids
    assert site.do(case_id, "notify").state == "resolved"
    for _poll in range(10):
        site.clock.forward(300)
        assert site.record(alert).new_case_ids == ()
    again = replace(alert, dedup_key="later", observed_at=site.clock.now)
    assert len(site.record(again).new_case_ids) == 1


def test_drain_policies(site: Site) -> None:
    site.gate(force_after_deadline=True)
    waits, hurries, later = (
        opened(site, "gpu2", "gpu_memory_reduced"),
        opened(site, "gpu3", "gpu_fell_off_bus"),
        opened(site, "gpu4", "nvlink5_error"),
    )
    for case_id, node in ((waits, "gpu2"), (hurries, "gpu3"), (later, "gpu4")):
        site.do(case_id, "cordon", "evidence")
        site.engine.jobs[node] = (case_id,)
    grants = [site.begin(number, "drain") for number in (waits, hurries, later)]
    assert [grant.context["drain"] for grant in grants] == ["wait", "now", "deadline"]
    assert [grant.context["force"] for grant in grants] == [False, True, False]
    site.clock.forward(3601)
    assert site.begin(later, "drain").context["force"] is True
    site.clock.forward(700000)
    grant = site.begin(waits, "drain")
    assert grant.context["force"] is False, "it never ends a job"
    assert site.finish(waits, "drain", "waiting").state == "held"


def test_a_first_step_waits_for_what_it_may_only_follow(site: Site) -> None:
    case_id = opened(site, "gpu2", "gpu_row_remap_pending")
    case = site.ledger.case(case_id)
    assert (case.step, case.due_at) == ("await_idle", site.clock.now + 180)
    site.record(site.line("gpu2", "gpu_fell_off_bus"))
    assert site.ledger.case(case_id).due_at == site.clock.now


def test_idleness_is_awaited_and_then_acted_on(site: Site) -> None:
    site.engine.jobs["gpu2"] = (7,)
    case_id = opened(site, "gpu2", "gpu_row_remap_pending")
    site.clock.forward(181)
    assert site.begin(case_id, "await_idle").context["jobs"] == [7]
    site.finish(case_id, "await_idle", "waiting")
    site.clock.forward(50000)
    site.engine.jobs["gpu2"] = ()
    site.do(case_id, "await_idle", "cordon")
    # A reboot while it waits does what the reset was for.
    case_id = opened(site, "gpu3", "gpu_row_remap_pending")
    site.clock.forward(181)
    site.do(case_id, "await_idle")
    site.record(site.line("gpu3", boot=200, recognition=None))
    assert site.begin(case_id, "cordon").reason == "stale"


def test_old_news_awaits_nothing(site: Site) -> None:
    case_id = opened(site, "gpu2", "gpu_row_remap_pending")
    site.clock.forward(901)
    assert site.begin(case_id, "await_idle").reason == "stale"
    site.ledger.approve(case_id, "kim")
    site.do(case_id, "await_idle", "cordon")


def test_other_lanes(site: Site) -> None:
    """What a BMC reports holds until it takes it back, and no poll of an Alertmanager can miss it."""
    report = replace(site.alert("gpu2", "psu_failed"), lane="bmc", recognition=Recognition("psu_failed", "psu:PSU1"))
    (case_id,) = site.record(report).new_case_ids
    assert site.record(report).new_case_ids == ()
    assert site.ledger.firing_alerts() == []
    site.do(case_id, "evidence", "ticket")
    assert site.record(replace(report, cleared=True)).cleared_case_ids == (case_id,)
    assert site.ledger.case(case_id).state == "resolved"
    run = replace(site.alert("gpu3", "ansible_run_failed"), lane="run")
    assert site.record(run).new_case_ids


def test_a_class_that_is_gone_holds_its_case_and_nothing_else(site: Site) -> None:
    own = {"gpu_own": {**_plain(site, "gpu_stopped"), "xids": []}}
    site.settings = replace(site.settings, fault_classes=own)
    case_id = opened(site, "gpu2", "gpu_own")
    site.settings = replace(site.settings, fault_classes={})
    assert site.begin(case_id, "cordon").reason == "unknown_class"
    assert site.record(site.line("gpu2", "gpu_own")).refused[0][0] == "unknown_class"
    # A known fault takes the case over.
    site.record(site.line("gpu2", "gpu_fell_off_bus", boot=100))
    assert site.begin(case_id, "cordon").proceed


def _plain(site: Site, name: str) -> dict[str, object]:
    row = site.settings.catalogue.classes[name]
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(row).items()}
    return {key: value for key, value in values.items() if key not in ("name", "lines", "sxids", "drill", "rows")}


def test_reboots_are_known_by_their_boot(site: Site) -> None:
    case_id = opened(site, fault="gpu_fell_off_bus")
    site.do(case_id, *OUT, "reboot")
    site.begin(case_id, "validate")
    site.finish(case_id, "validate", "failed")
    site.begin(case_id, "power_cycle")
    site.finish(case_id, "power_cycle", boot=f"{BOOT}300")
    site.record(site.line("gpu2", boot=100))
    assert site.do(case_id, "validate", "resume").state == "returned"
