# Tests of finding NVSwitches.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvswitches import read_nvswitches

Lay = Callable[[Mapping[str, Any]], str]


def device(address: str, kind: str = "0x068000", vendor: str = "0x10de", driver: str | None = "nvidia-nvswitch") -> Any:
    folder = f"sys/bus/pci/devices/{address}"
    files: dict[str, Any] = {f"{folder}/class": kind, f"{folder}/vendor": vendor, f"{folder}/device": "0x22a3"}
    if driver:
        files[f"{folder}/driver"] = {"link": f"../../drivers/{driver}"}
    return files


def information(address: str, text: str) -> dict[str, str]:
    return {f"proc/driver/nvidia-nvswitch/devices/{address}/information": text}


@pytest.mark.parametrize(
    ("text", "firmware"),
    [
        ("BIOS Version: 92.10.18.00.02\n", "92.10.18.00.02"),
        ("BIOS Version: N/A\n", None),
        ("", None),
        ("BIOS Version: {{ x }}\n", None),
    ],
)
def test_switch_with_its_firmware(lay: Lay, reports: Any, text: str, firmware: str | None) -> None:
    root = lay({**device("0000:05:00.0"), **information("0000:05:00.0", text)})
    expected = {"pci_address": "0000:05:00.0", "device_id": "0x22a3", "driver": "nvidia-nvswitch", "firmware": firmware}
    assert read_nvswitches(root, reports) == [expected]
    assert reports == []


def test_switch_without_a_driver_is_shown_and_reported(lay: Lay, reports: Any) -> None:
    (switch,) = read_nvswitches(lay(device("0000:05:00.0", driver=None)), reports)
    assert (switch["driver"], switch["firmware"]) == (None, None)
    assert reports == [("0000:05:00.0", "the NVSwitch is not bound to the driver nvidia-nvswitch")]


def test_others_are_none(lay: Lay, reports: Any) -> None:
    files = {
        **device("0000:00:01.0", kind="0x030200"),
        **device("0000:00:02.0", vendor="0x8086", driver=None),
        **device("0000:00:03.0", driver="forcedeth"),
    }
    assert read_nvswitches(lay(files), reports) == []
    assert reports == []
