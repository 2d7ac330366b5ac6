# Tests of containment: one call for the whole batch, other owners' nodes, an engine that fails.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site


def cases_on(site: Site, *nodes: str) -> list[int]:
    return list(site.record(*(site.line(node) for node in nodes)).new_case_ids)


def test_one_engine_call_for_all_nodes(site: Site) -> None:
    ids = cases_on(site, "gpu1", "gpu2", "gpu3")
    answer = contain(site.ledger, site.settings, site.engine, ids)
    assert [(case_id, verdict.allowed) for case_id, verdict in answer] == [(case_id, True) for case_id in ids]
    assert site.engine.calls == [("drain", "gpu1", "gpu2", "gpu3")]
    assert site.engine.reason["gpu2"] == f"aidc.ops:{ids[1]} gpu_fell_off_bus"
    for case_id in ids:
        case = site.ledger.case(case_id)
        assert (case.step, case.lease_holder) == ("evidence", None)


def test_the_gate_holds_in_the_batch(site: Site) -> None:
    site.gate(out_max=2)
    ids = cases_on(site, "gpu1", "gpu2", "gpu3")
    codes = [verdict.reason_code for _case, verdict in contain(site.ledger, site.settings, site.engine, ids)]
    assert codes == ["", "", "budget_count"]
    assert site.engine.calls == [("drain", "gpu1", "gpu2")]


def test_nothing_to_contain_asks_nobody(site: Site) -> None:
    (case_id,) = cases_on(site, "gpu1")
    contain(site.ledger, site.settings, site.engine, [case_id])
    run = site.record(site.alert("gpu4", "ansible_run_failed")).new_case_ids
    site.engine.calls.clear()
    assert contain(site.ledger, site.settings, site.engine, [case_id, *run, 99]) == []
    assert site.engine.calls == []


def test_a_case_in_other_hands_is_left_to_them(site: Site) -> None:
    (case_id,) = cases_on(site, "gpu1")
    site.ledger.lease([case_id], "other:1:1", 60)
    assert contain(site.ledger, site.settings, site.engine, [case_id]) == []


def test_a_drain_by_somebody_else_in_between(site: Site) -> None:
    ids = cases_on(site, "gpu1", "gpu2")
    shown = site.engine.nodes()
    site.engine.reason["gpu2"] = "Kim was faster"
    site.engine.nodes = lambda: shown  # type: ignore[method-assign]
    contain(site.ledger, site.settings, site.engine, ids)
    assert site.engine.reason == {**site.engine.reason, "gpu2": "Kim was faster"}
    assert site.ledger.case(ids[0]).step == "evidence"
    assert site.ledger.case(ids[1]).hold_reason == "foreign_drain"


def test_an_engine_that_fails_leaves_the_cases_due(site: Site) -> None:
    (case_id,) = cases_on(site, "gpu1")
    works = site.engine.drain

    def fails(names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        raise EngineError("slurmctld does not answer")

    site.engine.drain = fails  # type: ignore[method-assign]
    with pytest.raises(EngineError):
        contain(site.ledger, site.settings, site.engine, [case_id])
    case = site.ledger.case(case_id)
    assert (case.step, case.state, case.lease_holder) == ("cordon", "open", None)
    site.engine.drain = works  # type: ignore[method-assign]
    site.clock.forward(16)
    assert contain(site.ledger, site.settings, site.engine, [case_id])[0][1].allowed
    assert site.ledger.case(case_id).step == "evidence"


def test_one_case_that_went_on_does_not_hold_up_the_others(site: Site) -> None:
    """Another source contained the first case meanwhile, and a run has begun its next step already."""
    ids = cases_on(site, "gpu1", "gpu2")
    drain = site.engine.drain

    def slow(names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        site.engine.drain = drain  # type: ignore[method-assign]
        contain(site.ledger, site.settings, site.engine, ids[:1])
        site.begin(ids[0], "evidence")
        return drain(names, reasons)

    site.engine.drain = slow  # type: ignore[method-assign]
    contain(site.ledger, site.settings, site.engine, ids)
    assert [site.ledger.case(number).step for number in ids] == ["evidence", "evidence"]
    assert site.ledger.case(ids[0]).lease_holder == site.holder


def test_an_unreadable_engine_changes_nothing(site: Site) -> None:
    (case_id,) = cases_on(site, "gpu1")

    def fails() -> dict[str, object]:
        raise EngineError("slurmctld does not answer")

    site.engine.nodes = fails  # type: ignore[assignment,method-assign]
    with pytest.raises(EngineError):
        contain(site.ledger, site.settings, site.engine, [case_id])
    assert site.ledger.due(site.clock.now) == [case_id]
