# Tests of the filter alert_faults as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def alert(name: str, status: Any = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "X", "fault_class": name, "instance": "gpu1", **labels},
        "annotations": {},
        "startsAt": "2026-11-21T07:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "c0ffee",
    }


def test_the_body_of_a_webhook() -> None:
    body = {
        "version": "4",
        "status": "firing",
        "alerts": [
            alert("pcie_degraded", pci_bus_id="00000000:1B:00.0"),
            alert("pcie_degraded", "resolved", pci_bus_id="00000000:1C:00.0"),
            alert("no_such_class"),
            alert("pcie_degraded", pci_bus_id="anything"),
            {"labels": {"alertname": "Watchdog"}, "status": "firing"},
        ],
    }
    assert template("{{ body | aidc.ops.alert_faults }}", body=body) == [
        {
            "class": "pcie_degraded",
            "title": "PCIe link narrower or slower than it could be",
            "code": None,
            "device": "gpu:0000:1b:00",
            "location": "",
            "severity": "high",
            "action": "reboot",
            "node": "gpu1",
            "starts_at": "2026-11-21T07:00:00Z",
            "fingerprint": "c0ffee",
        }
    ]


def test_the_list_of_the_api() -> None:
    alerts = [
        alert("psu_failed", {"state": "active", "silencedBy": []}, sensor="PSU1"),
        alert("psu_failed", {"state": "suppressed", "silencedBy": ["x"]}, sensor="PSU2"),
        alert("psu_failed", {"state": "unprocessed"}, sensor="PSU3"),
    ]
    found = template("{{ alerts | aidc.ops.alert_faults }}", alerts=alerts)
    assert [(fault["device"], fault["action"]) for fault in found] == [("psu:PSU1", "support")]


def test_the_server_of_a_file_system() -> None:
    alerts = [alert("remote_filesystem_hang", mountpoint="/home", device="192.0.2.16:/export")]
    (fault,) = template("{{ alerts | aidc.ops.alert_faults }}", alerts=alerts)
    assert (fault["device"], fault["location"]) == ("filesystem:/home", "192.0.2.16")


def test_a_class_of_the_site() -> None:
    changes = {"psu_failed": {"severity": "low"}}
    (fault,) = template("{{ alerts | aidc.ops.alert_faults(changes) }}", alerts=[alert("psu_failed")], changes=changes)
    assert (fault["severity"], fault["device"]) == ("low", "node")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ 'x' | aidc.ops.alert_faults }}", "the input has to be a list of alerts"),
        ("{{ {'status': 'firing'} | aidc.ops.alert_faults }}", "the input has to be a list of alerts"),
        ("{{ ['x'] | aidc.ops.alert_faults }}", "alert 0 has to be a mapping"),
        ("{{ [{'labels': 5}] | aidc.ops.alert_faults }}", "alert 0 has to be a mapping"),
        ("{{ [] | aidc.ops.alert_faults({'psu_failed': {'alerts': 5}}) }}", r"fault_classes\.psu_failed\.alerts"),
    ],
)
def test_complaints_name_the_filter(text: str, message: str) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.alert_faults: .*" + message):
        template(text)
