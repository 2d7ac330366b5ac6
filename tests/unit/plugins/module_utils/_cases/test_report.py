# Tests of what a person is told about cases.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.report import controls, plain, story, table

NOW = 1_790_000_000.0


def case(**changes: Any) -> dict[str, Any]:
    return {
        "case_id": 7,
        "node": "gpu2",
        "node_id": "dmi:S2",
        "state": "held",
        "step": "reset",
        "fault_class": "gpu_gsp_error",
        "fault_classes": ["gpu_gsp_error"],
        "devices": ["gpu:0000:1b:00"],
        "opened_at": NOW - 300,
        "hold_text": "waits for a person's approval",
        "preview": ["cordon", "reset"],
        "approved_by": None,
        "approved_at": None,
        "ticket": None,
        **changes,
    }


def test_a_table() -> None:
    head, first, second = table([case(), case(case_id=12, step=None, hold_text=None, devices=[])], NOW)
    assert head.split()[:4] == ["CASE", "NODE", "STATE", "NEXT"]
    assert first.split()[:7] == ["7", "gpu2", "held", "reset", "gpu_gsp_error", "gpu:0000:1b:00", "5"]
    assert first.endswith("waits for a person's approval") and first.index("held") == second.index("held")
    assert second.split()[3] == "-"
    assert table([], NOW) == ["There are no cases."]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_ages(seconds: float, text: str) -> None:
    assert f"  {text}  " in table([case(opened_at=NOW - seconds)], NOW)[1]


def test_a_case_in_full() -> None:
    event = {"at": NOW, "kind": "begun", "step": "cordon", "text": "within all limits", "detail": {}}
    ticket = {"reference": "T-1"}
    lines = story(case(approved_by="kim", approved_at=NOW, ticket=ticket, timeline=[event]))
    assert "case         7 on gpu2 (dmi:S2)" in lines
    assert "approved by  kim, 2026-09-21 14:13:20Z" in lines
    assert "whole way    cordon > reset" in lines and "ticket       T-1" in lines
    assert lines[-1] == "2026-09-21 14:13:20Z  begun  cordon  within all limits"
    lines = story(case(preview=[], step=None))
    assert "whole way    unknown" in lines and "approved by  nobody" in lines and "next step    none" in lines


def test_what_keeps_the_loop_from_acting() -> None:
    assert controls({}, []) == []
    switches = {"paused_by": "kim", "paused_at": NOW, "breaker": "A storm.", "breaker_at": NOW}
    left_alone = {"kind": "node", "name": "gpu2", "until": NOW, "reason": "a new fan", "by": "kim"}
    lines = controls(switches, [left_alone])
    assert lines[0] == "PAUSED by kim since 2026-09-21 14:13:20Z."
    assert lines[1].startswith("A storm. (")
    assert lines[2] == "The node gpu2 is left alone until 2026-09-21 14:13:20Z: a new fan (kim)."


def test_foreign_text_cannot_move_the_cursor_nor_fill_the_screen() -> None:
    assert plain("a\x1b[2Jb\nc") == "a?[2Jb?c"
    assert len(plain("x" * 1000)) == 160
    hostile = case(node="\x1b[31m", hold_text="\r\n")
    assert all(one.isprintable() for one in [*table([hostile], NOW), *story(hostile)])


@pytest.mark.parametrize("bad", [None, "text", {}, {"case_id": 1}])
def test_no_case(bad: Any) -> None:
    with pytest.raises(ValueError, match="no case"):
        table([bad], NOW)
    with pytest.raises(ValueError, match="no case"):
        story(bad)
