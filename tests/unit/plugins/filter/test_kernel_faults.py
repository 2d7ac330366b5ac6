# Tests of the filter kernel_faults as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ECC = "NVRM: Xid (PCI:0000:1b:00): 48, pid='<unknown>', name=<unknown>, DBE"
REMAP = "[ 12.5] NVRM: Xid (PCI:0000:1b:00): 63, pid='<unknown>', name=<unknown>, Row Remapper"
REGISTERS = "NVRM: Xid (PCI:0000:00:08.0): 145, RLW_REMAP Nonfatal XC1 i0 Link 10 (0x00000082 0x00000100 0x0)"


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_faults_of_a_log() -> None:
    found = template("{{ lines | aidc.ops.kernel_faults }}", lines=["usb 1-1: new device", REMAP, ECC, REMAP])
    assert found == [
        {
            "class": "gpu_ecc_uncorrectable",
            "title": "GPU uncorrectable memory error",
            "code": 48,
            "device": "gpu:0000:1b:00",
            "location": "",
            "severity": "critical",
            "action": "reset",
            "leader": None,
            "line": ECC,
            "count": 1,
        },
        {
            "class": "gpu_row_remap_pending",
            "title": "GPU memory row marked for remapping",
            "code": 63,
            "device": "gpu:0000:1b:00",
            "location": "",
            "severity": "medium",
            "action": "reset",
            "leader": 48,
            "line": REMAP,
            "count": 2,
        },
    ]
    assert template("{{ [] | aidc.ops.kernel_faults }}") == []


def test_actions() -> None:
    lines = {
        "NVRM: Xid (PCI:0000:1b:00): 79, x": ("critical", "reboot"),
        "NVRM: Xid (PCI:0000:1b:00): 43, x": ("low", "none"),
        "NVRM: Xid (PCI:0000:1b:00): 31, x": ("low", "notify"),
        "NVRM: Xid (PCI:0000:1b:00): 54, x": ("critical", "support"),
        "NVRM: Xid (PCI:0000:1b:00): 106, x": ("low", "none"),
        "Kernel panic - not syncing: x": ("high", "validate"),
        "NVRM: Xid (PCI:0000:1b:00): 154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)": (
            "low",
            "none",
        ),
    }
    for line, wanted in lines.items():
        (fault,) = template("{{ lines | aidc.ops.kernel_faults }}", lines=[line])  # type: ignore[misc]
        assert (fault["severity"], fault["action"]) == wanted, line


def test_options() -> None:
    for version, action in ((None, "none"), ("570.158.01", "none"), ("575.51.03", "reset_group"), (580, "reset_group")):
        (fault,) = template("{{ x | aidc.ops.kernel_faults(none, version) }}", x=[REGISTERS], version=version)  # type: ignore[misc]
        assert fault["action"] == action, version
    changes = {"gpu_ecc_uncorrectable": {"severity": "high"}}
    (fault,) = template("{{ x | aidc.ops.kernel_faults(changes) }}", x=[ECC], changes=changes)  # type: ignore[misc]
    assert fault["severity"] == "high"
    found = template("{{ x | aidc.ops.kernel_faults(times=[0, 20], burst_seconds=10) }}", x=[ECC, REMAP])
    assert [fault["leader"] for fault in found] == [None, None]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ 'a line' | aidc.ops.kernel_faults }}", "the input has to be a list of lines, not "),
        ("{{ ['a', 5] | aidc.ops.kernel_faults }}", "line 1 has to be a text, not int"),
        ("{{ [] | aidc.ops.kernel_faults(driver_version='new') }}", "driver_version 'new' is no version"),
        ("{{ ['a'] | aidc.ops.kernel_faults(times=['b']) }}", "times has to be a list of numbers"),
        ("{{ ['a'] | aidc.ops.kernel_faults(times=[]) }}", "times has 0 items for 1 lines"),
        ("{{ ['a'] | aidc.ops.kernel_faults(burst_seconds=-1) }}", "burst_seconds has to be a number from 0"),
        (
            "{{ [] | aidc.ops.kernel_faults({'gpu_stopped': {'severity': 'dire'}}) }}",
            r"fault_classes\.gpu_stopped\.severity",
        ),
        ("{{ [] | aidc.ops.kernel_faults(['x']) }}", "fault_classes has to be a mapping"),
    ],
)
def test_complaints_name_the_filter(text: str, message: str) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.kernel_faults: .*" + message):
        template(text)
