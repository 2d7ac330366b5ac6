# Tests of the module node_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nodes import PARTS
from ansible_collections.aidc.ops.plugins.modules import node_info

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check", [False, True])
def test_answer_is_passed_on_unchanged(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, check: bool
) -> None:
    asked = []

    def read(root: str, timeout: float, parts: list[str]) -> dict[str, Any]:
        asked.append((root, timeout, parts))
        return {"cpus": [], "problems": [{"part": "cpus", "device": None, "message": "{{ 7 * 7 }}"}]}

    monkeypatch.setattr(node_info, "read_parts", read)
    answer = call(node_info.main, check=check, config=None, timeout=5, root=str(tmp_path), parts=["cpus"])
    assert (answer["changed"], answer["cpus"], answer["problems"][0]["message"]) == (False, [], "{{ 7 * 7 }}")
    assert asked == [(str(tmp_path), 5, ["cpus"])]


def test_all_parts_are_the_default(call: Call) -> None:
    answer = call(node_info.main, config=None)
    assert [part for part in PARTS if answer[part] is None] == []
    assert set(answer) - {"invocation"} == {*PARTS, "problems", "changed"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": 0}, "at least 1 second"),
        ({"timeout": -3}, "at least 1 second"),
        ({"timeout": "soon"}, "timeout"),
        ({"root": "/etc/no such folder"}, "root is no directory: /etc/no such folder"),
        ({"root": "/etc/passwd"}, "root is no directory"),
        ({"parts": ["gpus"]}, "value of parts must be one or more of"),
    ],
)
def test_bad_arguments_are_refused(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(node_info.main, config=None, **arguments)
    assert answer["failed"] and message in answer["msg"]


def test_documentation_names_every_field(call: Call) -> None:
    returned = yaml.safe_load(node_info.RETURN)
    assert set(returned) == {*PARTS, "problems"}
    options = yaml.safe_load(node_info.DOCUMENTATION)["options"]
    assert options["parts"]["choices"] == options["parts"]["default"] == list(PARTS)
    answer = call(node_info.main, config=None)
    for part in ("node", "os", "memory", "clock"):
        assert set(returned[part]["contains"]) == set(answer[part]), part
    for part in ("cpus", "numa_nodes", "nics", "disks", "filesystems"):
        for entry in answer[part]:
            assert set(returned[part]["contains"]) == set(entry), part
