# Tests of faults of several nodes at once: one case of the rack, leaf or server, and what it does to single nodes.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Case
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site

RULE = CLASSES["node_unreachable"].correlate
assert RULE is not None and (RULE.by, RULE.becomes) == ("rack", "rack_unreachable")


@pytest.fixture
def racks(site: Site) -> Site:
    """gpu1 to gpu4 stand in rack A under leaf L1, gpu5 and gpu6 in rack B under leaf L2; of the others nobody knows."""
    places = {**{f"gpu{at}": ("A", "L1") for at in range(1, 5)}, **{f"gpu{at}": ("B", "L2") for at in (5, 6)}}
    nodes = {
        name: replace(node, rack=places.get(name, (None, None))[0], leaf=places.get(name, (None, None))[1])
        for name, node in site.settings.nodes.items()
    }
    site.settings = replace(site.settings, nodes=nodes)
    return site


def gone(site: Site, node: str, **changes: Any) -> Any:
    return site.alert(node, "node_unreachable", **changes)


def of_domain(site: Site, scope: str = "rack") -> Case:
    (found,) = [case for case in site.ledger.cases() if case.scope == scope]
    return found


def ready(site: Site) -> None:
    """The time that the first step of such a fault waits for others of its kind."""
    site.clock.forward(CLASSES["node_unreachable"].delay_seconds + 1)
    for alert in [gone(site, f"gpu{number}") for number in range(1, 9)]:
        if alert.dedup_key in {item.dedup_key for item in site.ledger.firing_alerts()}:
            site.record(alert)


def test_a_burst_in_one_rack_is_one_case_and_its_nodes_wait(racks: Site) -> None:
    names = [f"gpu{number}" for number in range(1, RULE.nodes + 1)]
    result = racks.record(*(gone(racks, name) for name in names))
    case = of_domain(racks)
    assert (case.node, case.fault_class, case.state) == ("rack:A", "rack_unreachable", "open")
    assert case.id in result.new_case_ids
    ready(racks)
    for number in result.new_case_ids:
        if number != case.id:
            held = racks.ledger.case(number)
            assert (held.state, held.hold_reason) == ("held", "inhibited")
            racks.clock.forward(31)
            assert racks.begin(number, "cordon").reason == "inhibited"
    assert contain(racks.ledger, racks.settings, racks.engine, result.new_case_ids) is not None
    assert racks.engine.calls == []
    # A node of the rack that comes later is covered as well, one of another rack is not.
    late, elsewhere = racks.record(gone(racks, "gpu4"), gone(racks, "gpu6")).new_case_ids
    ready(racks)
    racks.clock.forward(31)
    assert racks.begin(late, "cordon").reason == "inhibited"
    assert racks.begin(elsewhere, "cordon").proceed
    kinds = [event.kind for event in racks.ledger.timeline(case.id)]
    assert kinds[:2] == ["opened", "correlated"]


def test_too_few_too_late_or_of_unknown_place_make_no_larger_case(racks: Site) -> None:
    few = [f"gpu{number}" for number in range(1, RULE.nodes)]
    racks.record(*(gone(racks, name) for name in few))
    # Nobody told where these stand: missing data makes no facility case.
    racks.record(gone(racks, "gpu7"), gone(racks, "gpu8"))
    racks.clock.forward(RULE.within_seconds + 1)
    racks.record(gone(racks, "gpu4"))
    assert {case.scope for case in racks.ledger.cases()} == {"node"}


def test_what_stopped_before_the_others_began_is_no_burst(racks: Site) -> None:
    """Nodes that reboot one after the other."""
    for number in range(1, 5):
        alert = gone(racks, f"gpu{number}")
        racks.record(alert)
        racks.record(replace(alert, cleared=True))
    assert {case.scope for case in racks.ledger.cases()} == {"node"}


def test_other_faults_of_a_covered_node_go_on(racks: Site) -> None:
    racks.record(*(gone(racks, f"gpu{number}") for number in range(1, 4)))
    (case_id,) = racks.record(racks.line("gpu4")).new_case_ids
    assert racks.begin(case_id, "cordon").proceed
    # ... and a node case that a worse fault rules is not covered any more.
    worse = racks.line("gpu1", recognition=Recognition("gpu_sram_threshold", "gpu:0000:1b:00"))
    (case_id,) = racks.record(worse).merged_case_ids
    assert racks.begin(case_id, "cordon").proceed


def test_the_repair_of_a_node_that_is_out_already_waits_as_well(racks: Site) -> None:
    (case_id,) = racks.record(gone(racks, "gpu1")).new_case_ids
    ready(racks)
    racks.do(case_id, "cordon", "evidence", "drain")
    racks.record(*(gone(racks, f"gpu{number}") for number in range(2, 5)))
    of_domain(racks)
    assert racks.begin(case_id, "reboot").reason == "inhibited"


def test_the_larger_case_ends_when_all_alerts_have_cleared_and_the_nodes_go_on(racks: Site) -> None:
    alerts = [gone(racks, f"gpu{number}") for number in range(1, 5)]
    racks.record(*alerts)
    # gpu1 has a kernel line too, which nobody takes back.
    racks.record(racks.line("gpu1", "node_unreachable", recognition=Recognition("node_unreachable", "node")))
    case = of_domain(racks)
    racks.do(case.id, "notify", "ticket")
    grant = racks.begin(case.id, "await_clear")
    assert grant.context["cleared"] is False and grant.context["scope"] == "rack"
    assert grant.context["nodes"] == ["gpu1", "gpu2", "gpu3", "gpu4"]
    racks.finish(case.id, "await_clear", "waiting")
    for alert in alerts[:3]:
        racks.record(replace(alert, cleared=True))
    assert racks.ledger.case(case.id).state == "open"
    racks.clock.forward(901)
    racks.record(replace(alerts[3], cleared=True))
    assert racks.ledger.case(case.id).state == "resolved"
    states = {item.node: item.state for item in racks.ledger.cases() if item.scope == "node"}
    assert states == {"gpu1": "held", "gpu2": "resolved", "gpu3": "resolved", "gpu4": "resolved"}
    first = next(item for item in racks.ledger.cases() if item.node == "gpu1")
    assert first.hold_reason == "inhibited" and first.due_at == racks.clock.now
    assert racks.begin(first.id, "cordon").reason == "stale"


def test_kernel_lines_end_by_quiet(racks: Site) -> None:
    """Clients of one file server; the lines are never taken back."""
    rule = CLASSES["remote_filesystem_hang"].correlate
    assert rule is not None and rule.by == "server"
    seen = Recognition("remote_filesystem_hang", "node", location="192.0.2.16")
    racks.record(*(racks.line(f"gpu{number}", recognition=seen) for number in range(1, rule.nodes + 1)))
    case = of_domain(racks, "server")
    assert case.node == "server:192.0.2.16"
    racks.do(case.id, "notify", "ticket")
    assert racks.begin(case.id, "await_clear").context["cleared"] is False
    racks.finish(case.id, "await_clear", "waiting")
    # Clients of another server are another matter.
    other = Recognition("remote_filesystem_hang", "node", location="192.0.2.17")
    (single,) = racks.record(racks.line("gpu8", recognition=other)).new_case_ids
    assert racks.ledger.case(single).hold_reason is None
    racks.clock.forward(max(rule.within_seconds, 300) + 1)
    assert racks.begin(case.id, "await_clear").context["cleared"] is True
    assert racks.finish(case.id, "await_clear").state == "resolved"


def test_a_fault_of_a_whole_domain_is_a_case_of_it_at_once(racks: Site) -> None:
    seen = Recognition("leaf_down", "node")
    (case_id,) = racks.record(racks.alert("gpu5", "leaf_down", recognition=seen)).new_case_ids
    case = racks.ledger.case(case_id)
    assert (case.node, case.scope, case.node_id) == ("leaf:L2", "leaf", "domain:leaf:L2")
    # It covers the port faults of the nodes below.
    port = Recognition("ib_port_down", "nic:mlx5_0")
    (covered, free) = racks.record(
        racks.alert("gpu6", "ib_port_down", recognition=port), racks.alert("gpu1", "ib_port_down", recognition=port)
    ).new_case_ids
    racks.clock.forward(CLASSES["ib_port_down"].delay_seconds + 31)
    assert racks.begin(covered, "cordon").reason == "inhibited"
    assert racks.begin(free, "cordon").proceed


def test_a_person_who_closes_the_larger_case_lets_the_nodes_go_on(racks: Site) -> None:
    racks.record(*(gone(racks, f"gpu{number}") for number in range(1, 5)))
    case = of_domain(racks)
    ready(racks)
    racks.ledger.cancel(case.id, "kim")
    first = next(item for item in racks.ledger.cases() if item.node == "gpu1")
    assert racks.begin(first.id, "cordon").proceed
    # Polls of the same alerts open it no second time.
    ready(racks)
    assert of_domain(racks).id == case.id


def test_a_covered_burst_trips_no_breaker(racks: Site) -> None:
    racks.gate(storm_nodes=4)
    racks.record(*(gone(racks, f"gpu{number}") for number in range(1, 5)))
    assert racks.ledger.controls()["breaker"] is None
