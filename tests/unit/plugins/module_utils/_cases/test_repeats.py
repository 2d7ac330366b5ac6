# Tests of what a signal means beside others: repetitions, followers, actions that ask for nothing or for more.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site

GPU, OTHER = "gpu:0000:1b:00", "gpu:0000:2b:00"


def seen(site: Site, fault: str, device: str = GPU, location: str = "", **changes: Any) -> Signal:
    return site.line(recognition=Recognition(fault, device, 13, location=location, **changes))


def dispositions(site: Site) -> list[str]:
    with sqlite3.connect(site.settings.ledger) as db:
        return [row[0] for row in db.execute("SELECT disposition FROM signals ORDER BY id")]


def classes(site: Site) -> list[str]:
    return [case.fault_class for case in site.ledger.cases()]


def test_the_same_place_again_is_a_suspect(site: Site) -> None:
    rule = CLASSES["gpu_graphics_exception"].repeat
    assert rule is not None and (rule.same, rule.becomes) == ("location", "gpu_suspect")
    for _number in range(rule.count - 1):
        site.record(seen(site, "gpu_graphics_exception", location="gpc1.tpc2"))
        # The crash of one program writes many lines, which are one event.
        site.clock.forward(5)
        site.record(*(seen(site, "gpu_graphics_exception", location="gpc1.tpc2") for _line in range(200)))
        site.clock.forward(3600)
    assert "gpu_suspect" not in classes(site)
    site.record(seen(site, "gpu_graphics_exception", location="gpc1.tpc2"))
    case = site.ledger.cases()[-1]
    assert (case.fault_class, case.devices) == ("gpu_suspect", (GPU,))
    kinds = [event.kind for event in site.ledger.timeline(case.id)]
    assert "promoted" in kinds


@pytest.mark.parametrize(
    ("device", "location", "after"),
    [
        (GPU, "gpc9.tpc9", 3600),
        (OTHER, "gpc1.tpc2", 3600),
        (GPU, "", 3600),
        (GPU, "gpc1.tpc2", 90000),
        (GPU, "gpc1.tpc2", 60),
    ],
)
def test_another_place_device_day_or_the_same_event_is_no_repetition(
    site: Site, device: str, location: str, after: int
) -> None:
    site.record(seen(site, "gpu_graphics_exception", location="gpc1.tpc2"))
    site.clock.forward(after)
    site.record(seen(site, "gpu_graphics_exception", device, location))
    assert "gpu_suspect" not in classes(site)


def test_replays_are_no_repetition(site: Site) -> None:
    line = seen(site, "gpu_graphics_exception", location="gpc1.tpc2")
    site.record(line)
    site.clock.forward(3600)
    again = Signal(**{**vars(line), "dedup_key": "another delivery"})
    site.record(line, again)
    assert "gpu_suspect" not in classes(site)


def test_after_the_case_it_is_counted_anew(site: Site) -> None:
    for _number in range(2):
        site.record(seen(site, "gpu_mmu_fault"))
        site.clock.forward(3600)
    case = site.ledger.cases()[-1]
    assert case.fault_class == "gpu_suspect"
    # Found old meanwhile, so a person lets it go on.
    site.ledger.approve(case.id, "kim")
    site.do(case.id, "cordon", "evidence", "drain", "validate", "resume")
    site.clock.forward(3600)
    site.record(seen(site, "gpu_mmu_fault"))
    assert [case.fault_class for case in site.ledger.cases() if case.closed_at is None] in ([], ["gpu_mmu_fault"])


def test_an_alert_counts_once_for_each_time_it_begins(site: Site) -> None:
    rule = CLASSES["unit_failed"].repeat
    assert rule is not None
    unit = Recognition("unit_failed", "unit:slurmd.service")
    for number in range(rule.count - 1):
        alert = site.alert("gpu4", "unit_failed", recognition=unit, dedup_key=f"begin {number}")
        for _poll in range(5):
            site.record(alert)
            site.clock.forward(300)
        site.record(Signal(**{**vars(alert), "cleared": True}))
    assert "unit_keeps_failing" not in classes(site)
    site.record(site.alert("gpu4", "unit_failed", recognition=unit, dedup_key="last"))
    assert classes(site)[-1] == "unit_keeps_failing"


def test_an_action_none_is_only_recorded(site: Site) -> None:
    assert site.record(seen(site, "gpu_recovery_action", action="none")).new_case_ids == ()
    assert dispositions(site) == ["recorded"]
    assert site.record(seen(site, "gpu_recovery_action", action="reset")).new_case_ids


def test_what_follows_a_worse_fault_is_only_recorded(site: Site) -> None:
    (case_id,) = site.record(seen(site, "gpu_fell_off_bus")).new_case_ids
    site.clock.forward(100)
    site.record(seen(site, "gpu_ecc_contained"), seen(site, "gpu_ecc_contained", OTHER))
    site.clock.forward(200)
    site.record(seen(site, "gpu_ecc_contained"))
    assert dispositions(site) == ["opened", "follower", "merged", "merged"]
    faults = {(fault.fault_class, fault.device, fault.acting) for fault in site.ledger.faults(case_id)}
    assert ("gpu_ecc_contained", GPU, False) in faults and ("gpu_ecc_contained", OTHER, True) in faults


def test_a_line_that_names_its_leader_is_only_recorded(site: Site) -> None:
    assert site.record(seen(site, "gpu_preemptive_removal", leader=79)).new_case_ids == ()
    assert dispositions(site) == ["follower"]


def test_a_worse_fault_is_never_a_follower(site: Site) -> None:
    (case_id,) = site.record(seen(site, "gpu_row_remap_pending")).new_case_ids
    site.record(seen(site, "gpu_fell_off_bus"))
    assert site.ledger.case(case_id).fault_class == "gpu_fell_off_bus"


def test_the_strongest_action_decides_where_the_ladder_begins(site: Site) -> None:
    (case_id,) = site.record(seen(site, "gpu_gsp_error")).new_case_ids
    site.do(case_id, "cordon")
    site.record(seen(site, "gpu_gsp_error", action="reboot"))
    assert site.ledger.case(case_id).action == "reboot"
    site.do(case_id, "evidence", "drain")
    grant = site.begin(case_id, "reboot")
    assert grant.context["repairs"] == ["reboot", "power_cycle"] and grant.context["rung"] == "reboot"
    assert grant.context["preview"] == ["cordon", "evidence", "drain", "reboot", "validate", "resume"]
    # "support": no repair helps.
    site.finish(case_id, "reboot", "failed")
    site.record(seen(site, "gpu_gsp_error", action="support"))
    assert site.ledger.case(case_id).step == "ticket"


def test_removal_rules_over_a_deeper_repair_in_service(site: Site) -> None:
    """A case that restarts services must not keep a node in service that has to go."""
    (case_id,) = site.record(site.alert("gpu2", "ansible_run_failed")).new_case_ids
    site.do(case_id, "evidence", "restart_service", "validate")
    site.begin(case_id, "await_clear")
    site.finish(case_id, "await_clear", "waiting")
    site.record(seen(site, "gpu_sram_threshold"))
    case = site.ledger.case(case_id)
    assert (case.fault_class, case.step) == ("gpu_sram_threshold", "cordon")
    # The run that was waiting learns it without an error.
    assert site.finish(case_id, "await_clear", "done").step == "cordon"
    site.do(case_id, "cordon")


def test_an_open_ticket_in_service_keeps_no_worse_fault(site: Site) -> None:
    (case_id,) = site.record(seen(site, "gpu_c2c_error")).new_case_ids
    site.do(case_id, "evidence", "ticket")
    assert site.ledger.case(case_id).state == "quarantined"
    site.clock.forward(400)
    site.record(seen(site, "gpu_c2c_error"))
    assert site.ledger.case(case_id).state == "quarantined"
    site.record(seen(site, "gpu_fell_off_bus"))
    case = site.ledger.case(case_id)
    assert (case.state, case.step, case.fault_class) == ("open", "cordon", "gpu_fell_off_bus")


def test_a_program_error_after_a_repair_does_not_repeat_it(site: Site) -> None:
    (case_id,) = site.record(seen(site, "gpu_stopped")).new_case_ids
    site.do(case_id, "cordon", "evidence", "drain", "reset")
    site.clock.forward(200)
    site.record(seen(site, "gpu_app_error"))
    assert site.ledger.case(case_id).step == "validate"
