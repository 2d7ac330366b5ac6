# Tests of the table of one run.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.filter.autoscale_table import FilterModule

table = FilterModule().filters()["autoscale_table"]


def decided(workload: str, replicas: int = 3, **more: Any) -> dict[str, Any]:
    answer = {"current": 3, "replicas": replicas, "action": "up", "reason": "because", "notes": [], "blind": False}
    return {"item": {"workload": workload}, "failed": False, **answer, **more}


def test_each_outcome() -> None:
    rows = [
        decided("models/deployment/chat", 5, notes=["a note"]),
        decided("models/deployment/code"),
        decided("a/deployment/b", blind=True),
        {"item": {"workload": "a/deployment/gone"}, "failed": True, "msg": "no\nsuch {{ 7 * 7 }}"},
        decided("a/deployment/raced", 4),
    ]
    resized = [{"item": rows[0], "failed": False}, {"item": rows[4], "failed": True, "msg": "it has 9"}]
    assert table(rows, resized) == [
        "workload                now  then  outcome  why",
        "models/deployment/chat  3    5     went up  because; a note",
        "models/deployment/code  3    3     kept     because",
        "a/deployment/b          3    3     blind    because",
        "a/deployment/gone       ?    ?     failed   no such {{ 7 * 7 }}",
        "a/deployment/raced      3    3     failed   it has 9",
    ]
    assert table(rows, resized, True)[1].split("  ")[-2].strip() == "would go up"


@pytest.mark.parametrize("wrong", [5, [5], [{}], [{"item": {"workload": "x"}}]])
def test_what_is_no_result(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"takes the results of aidc.ops.autoscale_decision"):
        table(wrong, [])
