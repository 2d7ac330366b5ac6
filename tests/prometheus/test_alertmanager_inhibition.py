# Tests of the inhibit rules with a real Alertmanager: what is hidden, and what must not be.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import time
from pathlib import Path

from alertmanager_server import AlertmanagerServer
from render import render

# Whether each is hidden, with its labels; those of gpu1, which does not answer, in rack r1 first.
ALERTS: dict[str, tuple[bool, dict[str, str]]] = {
    "unreachable": (
        False,
        {"instance": "gpu1", "rack": "r1", "fault_class": "node_unreachable", "severity": "critical"},
    ),
    "drive": (True, {"instance": "gpu1", "rack": "r1", "fault_class": "drive_missing", "severity": "high"}),
    "without a class": (True, {"instance": "gpu1", "severity": "medium"}),
    "of the BMC": (False, {"instance": "gpu1", "rack": "r1", "fault_class": "psu_failed", "severity": "high"}),
    "for the loop": (False, {"instance": "gpu1", "fault_class": "gpu_fell_off_bus", "severity": "critical"}),
    "LoopHeartbeatStale": (False, {"instance": "gpu1", "severity": "critical"}),
    "Watchdog": (False, {"severity": "none"}),
    "another node": (False, {"instance": "gpu2", "rack": "r1", "fault_class": "drive_missing", "severity": "high"}),
    "no node": (False, {"severity": "high"}),
    "heat": (False, {"rack": "r7", "fault_class": "facility_heat", "severity": "critical"}),
    "fan in the heat": (True, {"instance": "gpu3", "rack": "r7", "fault_class": "fan_failed", "severity": "high"}),
    "fan elsewhere": (False, {"instance": "gpu4", "rack": "r8", "fault_class": "fan_failed", "severity": "high"}),
    "drive in the heat": (False, {"instance": "gpu3", "rack": "r7", "fault_class": "nvme_failing", "severity": "high"}),
    # A source without the label that has to be equal hides nothing, though the target has none, either.
    "heat nowhere": (False, {"fault_class": "facility_heat", "severity": "critical"}),
    "fan nowhere": (False, {"instance": "gpu5", "fault_class": "fan_failed", "severity": "high"}),
    "worst": (False, {"instance": "gpu6", "gpu": "1", "fault_class": "gpu_wearing", "severity": "critical"}),
    "same GPU": (True, {"instance": "gpu6", "gpu": "1", "fault_class": "gpu_wearing", "severity": "medium"}),
    "another GPU": (False, {"instance": "gpu6", "gpu": "2", "fault_class": "gpu_wearing", "severity": "medium"}),
    "another class": (False, {"instance": "gpu6", "gpu": "1", "fault_class": "gpu_xid_other", "severity": "medium"}),
}


def test_alerts_that_another_one_explains_are_hidden_and_no_others(tmp_path: Path) -> None:
    expected = {name: hidden for name, (hidden, _labels) in ALERTS.items()}
    with AlertmanagerServer(tmp_path, render("alertmanager", "alertmanager.yml.j2")).start() as server:
        server.post("alerts", [{"labels": {"alertname": name, **labels}} for name, (_unused, labels) in ALERTS.items()])
        # What is hidden is found out when an alert is looked at, a moment after it has come.
        give_up_at = time.monotonic() + 60
        while True:
            found = {
                alert["labels"]["alertname"]: bool(alert["status"]["inhibitedBy"]) for alert in server.get("alerts")
            }
            if found == expected or time.monotonic() > give_up_at:
                break
            time.sleep(0.3)
    assert found == expected
