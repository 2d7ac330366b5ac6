# Measures how the loop reacts to a fault that was injected on purpose.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what was injected and what case_info returned in, one result for each node out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.report import aligned, plain
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS

# A node's clock may be a little behind the controller's.
_EARLY_SECONDS = 5.0
_COLUMNS = ("NODE", "CASE", "RECOGNISED", "CONTAINED", "REPAIRED", "ENDED", "AS", "STEPS", "WAITS FOR")


def results(
    cases: Sequence[Mapping[str, Any]], fault_class: str, injected: Mapping[str, float]
) -> list[dict[str, Any]]:
    """For each node: case_id, state, steps, waits_for; seconds from injection to recognised, contained, repaired
    (the first repair is over) and ended.

    What has not happened is None. ``cases`` have to come with their timelines.
    """
    return [_result(cases, fault_class, node, at) for node, at in sorted(injected.items())]


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The results as a table."""
    return aligned(
        [
            _COLUMNS,
            *(
                (
                    row["node"],
                    str(row["case_id"] or "-"),
                    _seconds(row["recognised"]),
                    _seconds(row["contained"]),
                    _seconds(row["repaired"]),
                    _seconds(row["ended"]),
                    row["state"] or "-",
                    " > ".join(row["steps"]) or "-",
                    plain(row["waits_for"]),
                )
                for row in rows
            ),
        ]
    )


def _result(cases: Sequence[Mapping[str, Any]], fault_class: str, node: str, injected: float) -> dict[str, Any]:
    found = [
        case
        for case in cases
        # A fault of a rack, a switch or a server is no case of the node that reports it.
        if (case["node"] == node or case["scope"] != "node")
        and any(_fits(fault, fault_class, injected) for fault in case["faults"])
    ]
    result: dict[str, Any] = dict.fromkeys(("case_id", "state", "recognised", "contained", "repaired", "ended"))
    result.update(node=node, steps=[], waits_for="")
    if not found:
        return result
    case = max(found, key=lambda item: item["case_id"])
    after = [event for event in case["timeline"] if event["at"] >= injected - _EARLY_SECONDS]
    finished = [event for event in after if event["kind"] == "finished"]
    # What is quarantined is done with for the loop: a person has it.
    ended = case["updated_at"] if case["state"] == "quarantined" else case["closed_at"]
    result.update(
        case_id=case["case_id"],
        state=case["state"],
        steps=[event["step"] for event in finished],
        waits_for=case["hold_text"] or "",
        recognised=_since(injected, min((event["at"] for event in after if event["kind"] == "signal"), default=None)),
        contained=_since(injected, min((e["at"] for e in finished if e["step"] == "cordon"), default=None)),
        repaired=_since(injected, min((e["at"] for e in finished if e["step"] in REPAIRS), default=None)),
        ended=_since(injected, ended),
    )
    return result


def _fits(fault: Mapping[str, Any], fault_class: str, injected: float) -> bool:
    return fault["fault_class"] == fault_class and fault["last_seen"] >= injected - _EARLY_SECONDS


def _since(start: float, moment: float | None) -> float | None:
    return None if moment is None else max(0.0, round(moment - start, 3))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
