# Tests of how signals become cases: identity, merging, replay, settling, clearing, hostile and massive input.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import BOOT, Clock, Site

ALL = ("cordon", "evidence", "drain", "reboot", "validate", "resume")
RESET = ("cordon", "evidence", "drain", "reset", "validate", "resume")


def open_case(site: Site, *signals: object) -> int:
    (case_id,) = site.record(*signals).new_case_ids  # type: ignore[arg-type]
    return int(case_id)


def test_a_line_makes_a_case_and_moves_the_reading_position(site: Site) -> None:
    result = site.ledger.record([site.line()], ("kernel_log", "17"), site.settings)
    case = site.ledger.case(result.new_case_ids[0])
    assert (case.node, case.state, case.step, case.fault_class) == ("gpu2", "open", "cordon", "gpu_fell_off_bus")
    assert (case.token, case.reason) == ("aidc.ops:1", "aidc.ops:1 gpu_fell_off_bus")
    assert site.ledger.cursor("kernel_log") == "17"


def test_a_batch_is_recorded_whole_or_not_at_all(site: Site) -> None:
    broken = replace(site.line("gpu3"), text=None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        site.ledger.record([site.line(), broken], ("kernel_log", "17"), site.settings)
    assert site.ledger.cases() == []
    assert site.ledger.cursor("kernel_log") is None


def test_the_same_line_twice_is_one_case(site: Site) -> None:
    line = site.line()
    case_id = open_case(site, line, line)
    assert site.record(line).refused[0][0] == "duplicate"
    assert [case.id for case in site.ledger.cases()] == [case_id]


@pytest.mark.parametrize("alert_first", [False, True])
def test_both_lanes_make_one_case(site: Site, alert_first: bool) -> None:
    both = [site.line(), site.alert("gpu2", "gpu_fell_off_bus")]
    case_id = open_case(site, *(reversed(both) if alert_first else both))
    assert len(site.ledger.cases()) == 1
    site.do(case_id, *ALL)
    # Both are still there and tell nothing new.
    again = site.record(site.line(observed_at=site.clock.now - 5), both[1])
    assert again.new_case_ids == ()
    assert {reason for reason, _text in again.refused} == {"closed_case", "settling"}


def test_everything_on_one_node_is_one_case_and_the_strongest_workflow_wins(site: Site) -> None:
    first = open_case(site, site.line(fault="gpu_row_remap_failure"))
    site.do(first, "cordon", "evidence", "drain")
    assert site.ledger.case(first).step == "reset"
    second = site.line(recognition=Recognition("gpu_fell_off_bus", "gpu:0000:2b:00", 79))
    assert site.record(second).merged_case_ids == (first,)
    case = site.ledger.case(first)
    assert (case.step, case.fault_class) == ("reboot", "gpu_fell_off_bus")
    assert case.fault_classes == ("gpu_row_remap_failure", "gpu_fell_off_bus")
    assert site.begin(first, "reset").reason == "not_due"
    assert site.begin(first, "reboot").context["devices"] == ["gpu:0000:2b:00"]
    # A weaker one changes nothing.
    site.record(site.line(fault="gpu_ecc_uncorrectable"))
    assert site.ledger.case(first).fault_class == "gpu_fell_off_bus"


def test_record_only_classes_make_no_case(site: Site) -> None:
    other = Recognition("gpu_channel_killed", "gpu:0000:1b:00", 43)
    assert site.record(site.line(recognition=other)).new_case_ids == ()
    case_id = open_case(site, site.line())
    site.record(site.line(recognition=other))
    assert site.ledger.case(case_id).fault_classes == ("gpu_fell_off_bus",)


def test_a_line_from_before_a_reboot_makes_nothing_and_is_kept(site: Site) -> None:
    site.record(site.line("gpu2", boot=200, recognition=None))
    old = site.line("gpu2", boot=100)
    result = site.record(old)
    assert result.new_case_ids == ()
    assert result.refused[0][0] == "old_boot"
    assert site.select("SELECT disposition FROM signals") == [("old_boot",)]
    # The other nodes have boots of their own.
    assert site.record(site.line("gpu3", boot=100)).new_case_ids


def test_a_replay_after_the_repair_makes_nothing(site: Site) -> None:
    line = site.line(boot=100)
    case_id = open_case(site, line)
    site.do(case_id, "cordon", "evidence", "drain")
    site.begin(case_id, "reboot")
    site.finish(case_id, "reboot", boot=f"{BOOT}200")
    site.do(case_id, "validate", "resume")
    site.clock.forward(60)
    assert site.record(line).refused[0][0] == "duplicate"
    other_key = replace(line, dedup_key="another delivery")
    assert site.record(other_key).refused[0][0] == "old_boot"
    # The same fault in the new boot is a new fault.
    assert site.record(site.line(boot=200)).new_case_ids == (case_id + 1,)


def test_a_late_line_of_another_class_from_before_the_reboot_makes_nothing(site: Site) -> None:
    """The count alert opened the case and nobody told the ledger the new boot; the kernel line comes afterwards."""
    late = site.line(boot=100)
    case_id = open_case(site, site.alert("gpu2", "gpu_count_low"))
    site.clock.forward(5)
    site.do(case_id, *ALL)
    assert site.record(late).refused[0][0] == "closed_case"


def test_after_a_reset_in_the_same_boot_a_later_line_is_a_new_fault(site: Site) -> None:
    case_id = open_case(site, site.line(fault="gpu_row_remap_failure"))
    site.do(case_id, *RESET)
    before = site.line(fault="gpu_row_remap_failure", observed_at=site.clock.now - 1)
    site.clock.forward(10)
    assert site.record(before).refused[0][0] == "closed_case"
    assert site.record(site.line(fault="gpu_row_remap_failure")).new_case_ids == (case_id + 1,)


def test_boots_of_different_kernels_are_ordered_by_time(site: Site) -> None:
    site.record(site.line(boot=1, recognition=None))
    site.clock.forward(100)
    site.record(replace(site.line(), boot="other:50"))
    case = site.ledger.cases()
    assert [item.node for item in case] == ["gpu2"]
    # A boot never seen, but from before the newest one: a replay out of an archive.
    stale = replace(site.line(), boot="third:60", observed_at=site.clock.now - 50)
    assert site.record(stale).refused[0][0] == "old_boot"


def test_a_clock_that_runs_ahead_does_not_hide_the_boots_that_follow(site: Site) -> None:
    site.record(replace(site.line(), boot="first:1", observed_at=site.clock.now + 86400, recognition=None))
    site.clock.forward(10)
    assert site.record(replace(site.line(), boot="second:1")).new_case_ids


def test_settling(site: Site) -> None:
    alert = site.alert()
    case_id = open_case(site, alert)
    site.do(case_id, *RESET)
    site.clock.forward(299)
    assert site.record(alert).refused == (("settling", "gpu3: summary"),)
    assert site.record(alert).refused == (), "a poll repeats itself; it is counted once"
    site.clock.forward(2)
    assert site.record(alert).new_case_ids == (case_id + 1,)


def test_an_alert_from_a_clock_that_runs_ahead_settles_as_well(site: Site) -> None:
    alert = dataclasses.replace(site.alert(), observed_at=site.clock() + 10000)
    case_id = open_case(site, alert)
    site.do(case_id, *RESET)
    site.clock.forward(10)
    assert site.record(alert).refused == (("settling", "gpu3: summary"),)


def test_an_alert_that_began_after_the_return_does_not_settle(site: Site) -> None:
    case_id = open_case(site, site.alert())
    site.do(case_id, *RESET)
    site.clock.forward(1)
    assert site.record(site.alert(dedup_key="new", observed_at=site.clock.now)).new_case_ids == (case_id + 1,)


def test_repeated_polls_change_nothing_but_freshness(site: Site) -> None:
    alert = site.alert()
    case_id = open_case(site, alert)
    events = len(site.ledger.timeline(case_id))
    for _number in range(20):
        site.clock.forward(300)
        result = site.record(alert)
        assert (result.new_case_ids, result.merged_case_ids, result.refused) == ((), (), ())
    assert len(site.ledger.timeline(case_id)) == events
    # 6000 s after it began it still fires, so it is no stale evidence.
    assert site.begin(case_id, "cordon").proceed


def test_clearing_resolves_a_failed_run_whatever_it_waits_for(site: Site) -> None:
    alert = site.alert("gpu4", "ansible_run_failed")
    case_id = open_case(site, alert)
    site.do(case_id, "evidence", "restart_service", "validate")
    grant = site.begin(case_id, "await_clear")
    assert grant.context["cleared"] is False
    site.finish(case_id, "await_clear", "waiting")
    assert [item.dedup_key for item in site.ledger.firing_alerts()] == [alert.dedup_key]
    assert site.record(replace(alert, cleared=True)).cleared_case_ids == (case_id,)
    assert site.ledger.case(case_id).state == "resolved"
    assert site.ledger.firing_alerts() == []


def test_clearing_during_a_step_waits_for_its_end(site: Site) -> None:
    alert = site.alert("gpu4", "ansible_run_failed")
    case_id = open_case(site, alert)
    site.do(case_id, "evidence")
    site.begin(case_id, "restart_service")
    site.record(replace(alert, cleared=True))
    assert site.ledger.case(case_id).state == "open"
    assert site.finish(case_id, "restart_service").state == "resolved"


def test_clearing_returns_no_node(site: Site) -> None:
    alert = site.alert()
    case_id = open_case(site, alert)
    site.do(case_id, "cordon")
    site.record(replace(alert, cleared=True))
    assert site.ledger.case(case_id).step == "evidence"


def test_clearing_what_was_never_seen_makes_nothing(site: Site) -> None:
    assert site.record(site.alert(cleared=True)) == site.record()


def test_a_quarantined_case_takes_up_what_follows_and_stays(site: Site) -> None:
    case_id = open_case(site, site.alert())
    site.do(case_id, "cordon", "evidence", "drain", "reset")
    site.begin(case_id, "validate")
    assert site.finish(case_id, "validate", "failed").step == "ticket"
    assert site.do(case_id, "ticket").state == "quarantined"
    site.clock.forward(100000)
    assert site.record(site.line("gpu3")).merged_case_ids == (case_id,)
    case = site.ledger.case(case_id)
    assert (case.state, case.step) == ("quarantined", None)
    assert site.ledger.due(site.clock.now) == []


def test_a_line_after_the_repair_starts_it_again(site: Site) -> None:
    """... with the next rung: the one that was done did not help."""
    case_id = open_case(site, site.line(fault="gpu_stopped"))
    site.do(case_id, "cordon", "evidence", "drain", "reset")
    site.clock.forward(5)
    site.record(site.line(fault="gpu_stopped"))
    assert site.ledger.case(case_id).step == "evidence"
    site.do(case_id, "evidence", "reboot", "validate", "resume")
    assert site.ledger.case(case_id).state == "returned"


def test_a_line_of_the_dying_boot_does_not_repeat_the_reboot(site: Site) -> None:
    case_id = open_case(site, site.line(boot=100))
    site.do(case_id, "cordon", "evidence", "drain")
    site.begin(case_id, "reboot")
    site.clock.forward(2)
    site.record(site.line(boot=100))
    assert site.finish(case_id, "reboot", boot=f"{BOOT}200").step == "validate"
    # ... but one of the new boot does, within the cap.
    site.clock.forward(2)
    site.record(site.line(boot=200))
    assert site.ledger.case(case_id).step == "evidence"


def test_a_fault_during_the_return_takes_the_node_out_again(site: Site) -> None:
    case_id = open_case(site, site.line(fault="gpu_row_remap_failure"))
    site.do(case_id, "cordon", "evidence", "drain", "reset", "validate")
    site.begin(case_id, "resume")
    site.clock.forward(1)
    site.record(site.line(fault="gpu_row_remap_failure"))
    assert site.finish(case_id, "resume").step == "cordon"


def test_unknown_nodes_are_refused_even_here(site: Site) -> None:
    assert site.record(site.line("all")).refused == (("unknown_node", "all"),)


@pytest.mark.parametrize(
    "text", ["{{ lookup('pipe', 'id') }}", "'; DROP TABLE cases; --", "\x00\x1b[2J", "\ud800", "x" * 100000]
)
def test_hostile_text_is_kept_as_data(site: Site, text: str) -> None:
    case_id = open_case(site, site.line(text=text))
    kept = next(event.text for event in site.ledger.timeline(case_id) if event.kind == "signal")
    assert kept == text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    case = site.ledger.case(case_id)
    assert text not in str(case.as_dict())


def test_a_device_that_repeats_itself_does_not_fill_the_ledger(site: Site) -> None:
    site.record(*(site.line() for _number in range(1000)))
    assert site.select("SELECT count(*) FROM signals") == [(100,)]
    assert site.select("SELECT signals FROM faults") == [(1000,)]
    assert len(site.ledger.timeline(1)) < 110


@pytest.mark.slow
def test_ten_thousand_signals_in_one_batch(tmp_path: Path, clock: Clock) -> None:
    site = Site(tmp_path, clock, nodes=1000)
    signals = [site.line(f"gpu{number % 1000 + 1}") for number in range(10000)]
    random.Random(1).shuffle(signals)
    began = time.monotonic()
    result = site.ledger.record(signals, ("kernel_log", "end"), site.settings)
    assert len(result.new_case_ids) == 1000
    # A second or two on a slow machine; the bound only catches a quadratic mistake.
    assert time.monotonic() - began < 30


def test_a_storm_trips_the_breaker_before_anything_is_contained(site: Site) -> None:
    site.gate(storm_nodes=5)
    result = site.record(*(site.line(f"gpu{number}") for number in range(1, 7)))
    assert "storm" in site.ledger.controls()["breaker"]
    assert site.begin(result.new_case_ids[0], "cordon").reason == "storm"
    assert site.ledger.case(result.new_case_ids[0]).state == "held"


def test_failed_runs_everywhere_are_no_storm(site: Site) -> None:
    site.gate(storm_nodes=5)
    site.record(*(site.alert(f"gpu{number}", "ansible_run_failed") for number in range(1, 9)))
    assert site.ledger.controls()["breaker"] is None


def test_observed_alerts_open_again_once_the_mode_changes(tmp_path: Path, clock: Clock) -> None:
    site = Site(tmp_path, clock, mode="observe")
    alert = site.alert()
    case_id = open_case(site, alert)
    assert site.begin(case_id, "cordon").reason == "mode_observe"
    assert site.ledger.case(case_id).state == "observed"
    assert site.record(alert).new_case_ids == ()
    assert site.record(alert).new_case_ids == ()
    acting = Site(tmp_path, clock)
    assert acting.record(alert).new_case_ids == (case_id + 1,)


def test_a_cancelled_alert_stays_cancelled(site: Site) -> None:
    alert = site.alert()
    case_id = open_case(site, alert)
    site.ledger.cancel(case_id, "kim")
    site.clock.forward(100000)
    assert site.record(alert).new_case_ids == ()
    assert site.record(replace(alert, dedup_key="later", observed_at=site.clock.now)).new_case_ids == (case_id + 1,)
