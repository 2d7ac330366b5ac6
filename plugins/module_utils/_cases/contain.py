# Takes the nodes of a batch of cases out of scheduling: one gate call, one engine call.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import holder
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import Verdict
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import EngineView
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError


def contain(
    ledger: Ledger, settings: Settings, engine: EngineView, case_ids: Sequence[int]
) -> list[tuple[int, Verdict]]:
    """Contains every given case whose next step is the cordon; returns the verdict of each case decided.

    Cases that are elsewhere, leased by somebody else or need no removal are passed over in silence. Blocking
    (programs are run, the ledger is written): never call it on an event loop's thread. An engine that cannot be asked
    raises EngineError; the cases stay due and the next tick (or the playbook) takes them. A kill at any point is safe:
    the cordon is idempotent and its begin is in the ledger.
    """
    wanted = ledger.to_contain(case_ids)
    if not wanted:
        return []
    me = holder.this_process()
    decided = ledger.begin_containment(wanted, me, settings, engine.nodes())
    granted = {case.node: case for case, verdict in decided if verdict.allowed}
    outcomes: dict[int, tuple[str, Mapping[str, Any]]] = {case.id: ("done", {}) for case in granted.values()}
    failure: EngineError | None = None
    try:
        if granted:
            engine.drain(list(granted), {name: case.reason for name, case in granted.items()})
    except ForeignDrainError as error:
        for name in error.nodes:
            outcomes[granted[name].id] = ("refused", {"reason_code": "foreign_drain", "text": str(error)})
    except EngineError as error:
        failure = error
        outcomes = {number: ("failed", {"text": str(error)}) for number in outcomes}
    if outcomes:
        ledger.finish_containment(outcomes, me, settings)
    if failure is not None:
        raise failure
    return [(case.id, verdict) for case, verdict in decided]
