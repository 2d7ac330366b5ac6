# Tests that the steps which are foretold are the steps that are then taken, for every class of the catalogue.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import preview
from ansible_collections.aidc.ops.plugins.module_utils._faults import ACTIONS, CLASSES, Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Clock, Site

pytestmark = pytest.mark.slow

ASKED = [(name, action) for name, fault in CLASSES.items() if fault.workflow for action in ACTIONS if action != "none"]
DEVICES = {"gpu": "gpu:0000:1b:00", "nvswitch": "nvswitch:0000:c3:00", "": "node"}


@pytest.fixture
def placed(memory_path, clock: Clock) -> Site:  # type: ignore[no-untyped-def]
    site = Site(memory_path, clock)
    nodes = {name: replace(node, rack="A", leaf="L1") for name, node in site.settings.nodes.items()}
    site.settings = replace(site.settings, nodes=nodes)
    return site


def way(site: Site, name: str, action: str) -> list[str]:
    """Everything that a case of this fault does when all goes well."""
    kind = CLASSES[name].device
    seen = Recognition(name, DEVICES.get(kind, f"{kind}:one"), action=action, location="192.0.2.16")
    (case_id,) = site.record(site.line("gpu2", recognition=seen)).new_case_ids
    taken: list[str] = []
    while site.ledger.case(case_id).step is not None:
        case = site.ledger.case(case_id)
        assert len(taken) < 20 and case.step is not None, taken
        if case.due_at is None or case.hold_reason == "mode_approve":
            # A person approves what has to be approved.
            assert site.ledger.approve(case_id, "kim")
        site.clock.now = max(site.clock.now, site.ledger.case(case_id).due_at or 0.0)
        grant = site.begin(case_id, case.step)
        if grant.reason == "mode_approve":
            continue
        assert grant.proceed, grant
        assert grant.context["preview"] == preview(CLASSES[name], action)
        if case.step == "cordon":
            site.engine.drain(["gpu2"], {"gpu2": grant.context["reason"]})
        elif case.step == "resume":
            site.engine.resume("gpu2", grant.context["token"])
        taken.append(case.step)
        site.finish(case_id, case.step)
    return taken


@pytest.mark.parametrize(("name", "action"), ASKED)
def test_what_is_foretold_is_what_happens(placed: Site, name: str, action: str) -> None:
    assert way(placed, name, action) == preview(CLASSES[name], action)
