# Tests of the module case_replay.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.aidc.ops.plugins.modules import case_replay
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]
LINE = "NVRM: Xid (PCI:0000:1b:00): 79, {{ 7 * 7 }}"


def recording(controller: Controller, content: str | None = None) -> str:
    path = Path(controller.folder) / "kernel.jsonl"
    entry = {"node": "gpu2", "from": "192.0.2.1", "boot": "b:1", "time": "2026-09-21T14:13:20Z", "line": LINE}
    path.write_text(json.dumps(entry) + "\n" if content is None else content)
    return str(path)


def test_the_ledger_and_the_scheduler_of_the_site_are_not_touched(call: Call, controller: Controller) -> None:
    # Who else reads the ledger stands in the file that ends like this.
    files = [path for path in Path(controller.folder).rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"]
    before = {path: path.read_bytes() for path in files}
    path = recording(controller)
    answer = call(case_replay.main, kernel_lines=[path], hours=24.0)
    assert answer["changed"] is False and answer["totals"]["drains"] == 1
    assert answer["totals"]["drains_per_1000_node_days"] == 500.0
    (case,) = answer["cases"]
    assert [item["step"] for item in case["steps"]][-1] == "resume"
    assert any("gpu_fell_off_bus" in line for line in answer["lines"])
    assert len(controller.ledger.cases()) == 1
    for file, content in before.items():
        assert file.read_bytes() == content
    assert answer == call(case_replay.main, kernel_lines=[path], hours=24.0, check=True)


def test_modes(call: Call, controller: Controller) -> None:
    settings = json.loads(Path(controller.config).read_text())
    settings["gate"]["modes"] = {}
    Path(controller.config).write_text(json.dumps(settings))
    (case,) = call(case_replay.main, kernel_lines=[recording(controller)], modes="as_set")["cases"]
    assert case["state"] == "observed"


def test_failures(call: Call, controller: Controller) -> None:
    assert "nothing to replay" in call(case_replay.main)["msg"]
    assert "hours must be above 0" in call(case_replay.main, alerts=["/none"], hours=0.0)["msg"]
    assert "person_hours must be above 0" in call(case_replay.main, alerts=["/none"], person_hours=-1.0)["msg"]
    assert "/none/a cannot be read" in call(case_replay.main, alerts=["/none/a"])["msg"]
    path = recording(controller, "no json\n")
    assert f"{path}:1: " in call(case_replay.main, kernel_lines=[path])["msg"]
    assert "none.json" in call(case_replay.main, config="/none/none.json", alerts=["/none"])["msg"]
