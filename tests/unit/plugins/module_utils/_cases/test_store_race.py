# Tests of decisions on an answer of the scheduler that is older than the ledger.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site


def test_a_node_that_was_taken_out_since_the_scheduler_was_read_counts(site: Site) -> None:
    site.gate(out_max=1)
    first, second = site.record(site.line("gpu1"), site.line("gpu2")).new_case_ids
    before = site.engine.nodes()
    contain(site.ledger, site.settings, site.engine, [first])
    ((_case, verdict),) = site.ledger.begin_containment([second], "other:1:1", site.settings, before)
    assert verdict.reason_code == "budget_count"


def test_a_node_that_came_back_does_not(site: Site) -> None:
    site.gate(out_max=1)
    first, second = site.record(site.line("gpu1"), site.line("gpu2")).new_case_ids
    while site.ledger.case(first).closed_at is None:
        site.clock.forward(1)
        site.do(first, str(site.ledger.case(first).step))
    assert site.ledger.case(first).state == "returned"
    ((_case, verdict),) = site.ledger.begin_containment([second], "other:1:1", site.settings, site.engine.nodes())
    assert verdict.allowed
