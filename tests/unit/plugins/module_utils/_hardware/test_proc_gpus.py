# Tests of what the driver's /proc tree says about GPUs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import proc_gpus

# The form of the file on a node with the NVIDIA driver 570.
TEXT = """Model: \t\t NVIDIA H100 80GB HBM3
IRQ:   \t\t 0
GPU UUID: \t GPU-44e545f9-7f47-5cd5-9811-1d48cc0a8918
Video BIOS: \t ??.??.??.??.??
Bus Type: \t PCIe
Device Minor: \t 3
GPU Firmware: \t 570.148.08
"""


def test_information_is_read() -> None:
    assert proc_gpus.parse_information(TEXT) == {
        "model": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-44e545f9-7f47-5cd5-9811-1d48cc0a8918",
        "minor_number": 3,
    }


@pytest.mark.parametrize(
    "text",
    ["", "no colon", "GPU UUID: GPU-????????-????-????-????-????????????\nDevice Minor: x", "Model:"],
)
def test_what_it_does_not_say_is_unknown(text: str) -> None:
    assert proc_gpus.parse_information(text) == {"model": None, "uuid": None, "minor_number": None}


def test_tree_below_a_root(tmp_path: Path) -> None:
    base = tmp_path / "proc/driver/nvidia/gpus"
    (base / "0000:1b:00.0").mkdir(parents=True)
    (base / "0000:1b:00.0" / "information").write_text(TEXT)
    (base / "0000:43:00.0").mkdir()
    found = proc_gpus.read_proc_gpus(str(tmp_path))
    assert {address: facts["minor_number"] for address, facts in found.items()} == {
        "0000:1b:00.0": 3,
        "0000:43:00.0": None,
    }


def test_node_without_driver(tmp_path: Path) -> None:
    assert proc_gpus.read_proc_gpus(str(tmp_path)) == {}
