# Tests of the figures of a drill, on cases as the loop makes them.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import drill
from ansible_collections.aidc.ops.plugins.modules.case_info import describe
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import START, Site


def cases(site: Site) -> list[dict[str, Any]]:
    return [describe(site.ledger, site.settings, case, True) for case in site.ledger.cases()]


def only(site: Site, fault: str = "gpu_fell_off_bus", node: str = "gpu2") -> dict[str, Any]:
    (result,) = drill.results(cases(site), fault, {node: START})
    return result


def test_nothing_happened_yet(site: Site) -> None:
    result = only(site)
    assert (result["case_id"], result["recognised"], result["steps"]) == (None, None, [])
    assert drill.lines([result])[1].split() == ["gpu2", "-", "-", "-", "-", "-", "-", "-"]


def test_each_moment_is_measured_from_the_injection(site: Site) -> None:
    site.clock.forward(0.25)
    site.record(site.line())
    assert (only(site)["recognised"], only(site)["contained"]) == (0.25, None)
    site.clock.forward(0.25)
    site.do(1, "cordon")
    assert (only(site)["contained"], only(site)["ended"]) == (0.5, None)
    site.clock.forward(9.5)
    site.do(1, "evidence", "drain", "reboot", "validate", "resume")
    result = only(site)
    assert (result["repaired"], result["ended"], result["state"]) == (10.0, 10.0, "returned")
    assert result["steps"] == ["cordon", "evidence", "drain", "reboot", "validate", "resume"]
    assert drill.lines([result])[1].split()[:6] == ["gpu2", "1", "0.25", "s", "0.50", "s"]


def test_a_case_from_before_the_injection_is_another_one(site: Site) -> None:
    site.clock.forward(-100)
    site.record(site.line())
    assert only(site)["case_id"] is None


def test_another_class_and_another_node_do_not_count(site: Site) -> None:
    site.record(site.line(), site.line("gpu3", "gpu_gsp_error"))
    assert only(site, node="gpu3")["case_id"] is None
    assert only(site, "gpu_gsp_error", "gpu3")["case_id"] == 2


def test_what_waits_for_a_person_says_so(site: Site) -> None:
    site.gate(modes=site.settings.gate.modes.__class__(contain="approve"))
    site.record(site.line())
    site.begin(1, "cordon")
    result = only(site)
    assert result["state"] == "held" and "approval" in result["waits_for"]
    assert "approval" in drill.lines([result])[1]


def test_quarantine_is_an_end(site: Site) -> None:
    site.record(site.alert("gpu2", "memory_uncorrectable"))
    site.clock.forward(4)
    site.do(1, "cordon", "evidence", "drain", "ticket")
    result = only(site, "memory_uncorrectable")
    assert (result["state"], result["ended"]) == ("quarantined", 4.0)


def test_a_case_of_a_larger_domain_counts_for_the_node_that_reported_it(site: Site) -> None:
    found = cases(site)
    site.record(site.line())
    found = [{**case, "node": "rack:R1", "scope": "rack"} for case in cases(site)]
    (result,) = drill.results(found, "gpu_fell_off_bus", {"gpu2": START})
    assert result["case_id"] == 1
