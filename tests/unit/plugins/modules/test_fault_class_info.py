# Tests of the module fault_class_info.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES
from ansible_collections.aidc.ops.plugins.modules import fault_class_info
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]


def change(controller: Controller, **settings: Any) -> None:
    path = Path(controller.config)
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def test_all_classes_in_order(call: Call) -> None:
    names = [row["name"] for row in call(fault_class_info.main)["classes"]]
    assert names == sorted(CLASSES)


def test_one_class_with_the_modes_of_the_site(call: Call) -> None:
    answer = call(fault_class_info.main, names=["gpu_fell_off_bus"], check=True)
    (row,) = answer["classes"]
    assert answer["changed"] is False
    assert row["preview"] == ["cordon", "evidence", "drain", "reboot", "validate", "resume"]
    assert row["repairs"][0] == "reboot" and row["drill"]["kind"] == "gpusim"
    assert row["modes"] == {"cordon": "act", "resume": "act", "reboot": "act", "power_cycle": "observe"}


def test_what_the_site_changes_counts(call: Call, controller: Controller) -> None:
    change(
        controller,
        fault_classes={"gpu_fell_off_bus": {"severity": "low"}},
        gate={"modes": {"contain": "act"}, "class_modes": {"gpu_fell_off_bus": "approve"}},
    )
    (row,) = call(fault_class_info.main, names=["gpu_fell_off_bus"])["classes"]
    assert (row["severity"], row["modes"]["cordon"]) == ("low", "approve")


def test_failures(call: Call, controller: Controller) -> None:
    answer = call(fault_class_info.main, names=["gpu_fell_off_bus", "b", "a"])
    assert answer["failed"] and answer["msg"] == "names: not in the fault catalogue: a, b"
    Path(controller.config).unlink()
    assert "cannot be read" in call(fault_class_info.main)["msg"]
