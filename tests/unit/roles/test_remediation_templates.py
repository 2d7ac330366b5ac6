# Renders the ticket of the role remediation.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

from render import render

HOSTILE = '{{ lookup("ansible.builtin.pipe", "id") }}'
SEEN = [
    {
        "device": "gpu:0000:1b:00",
        "model": "NVIDIA H100 80GB HBM3",
        "serial": "1650",
        "uuid": "GPU-1",
        "temperature_celsius": 40,
    }
]


def ticket(**variables: t.Any) -> dict[str, t.Any]:
    context = {
        "all_devices": ["gpu:0000:1b:00", "gpu:0000:2b:00"],
        "fault_class": "gpu_row_remap_failure",
        "fault_classes": ["gpu_row_remap_failure"],
        "opened_at": 1.5,
        "began_at": 2.5,
    }
    names: dict[str, t.Any] = {
        "inventory_hostname": "gpu3",
        "__remediation_settings": {"evidence_dir": "/evidence", "nodes": {"gpu3": {"rack": "r7"}}},
        "__remediation_case": {"case_id": 12, "node_id": "dmi:SN3"},
        "__remediation_grant": {"context": context},
        "__remediation_seen": SEEN,
        "__remediation_tried": [{"step": "reset", "text": "reset done"}],
        **variables,
    }
    return dict(json.loads(render("remediation", "ticket.json.j2", **names)))


def test_it_names_the_hardware_for_good() -> None:
    content = ticket()
    assert (content["schema_version"], content["state"], content["case_id"]) == (1, "open", 12)
    assert (content["node"], content["node_id"], content["rack"]) == ("gpu3", "dmi:SN3", "r7")
    assert content["devices"] == [
        {"device": "gpu:0000:1b:00", "model": "NVIDIA H100 80GB HBM3", "serial": "1650", "uuid": "GPU-1"},
        # A GPU that nobody saw any more is named all the same.
        {"device": "gpu:0000:2b:00", "model": None, "serial": None, "uuid": None},
    ]
    assert content["evidence"] == "/evidence/12/manifest.json"
    assert (content["opened_at"], content["ticket_at"]) == (1.5, 2.5)


def test_what_is_not_known_is_null() -> None:
    content = ticket(__remediation_seen=[], __remediation_settings={"evidence_dir": "/e", "nodes": {}})
    assert content["rack"] is None and content["site"] is None


def test_foreign_text_stays_text() -> None:
    assert ticket(__remediation_tried=[{"text": HOSTILE}])["tried"][0]["text"] == HOSTILE
