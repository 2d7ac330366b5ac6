# Tests of the recognisers: recorded kernel lines, near misses, hostile lines, alerts; and of the catalogue's sense.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._faults import (
    CLASSES,
    Recognition,
    device_of_pci,
    recognise_alert,
    recognise_line,
    strength,
)

LINES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "fixtures" / "kernel_log" / "lines.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("entry", LINES, ids=[f"{at}-{entry['expected']}" for at, entry in enumerate(LINES)])
def test_recorded_lines(entry: dict[str, str]) -> None:
    seen = recognise_line(entry["line"])
    if entry["expected"] is None:
        assert seen is None
    else:
        assert seen is not None
        assert (seen.fault_class, seen.code) == (entry["expected"], entry["code"])
        assert seen.device.startswith("gpu:")


def test_the_four_codes_are_all_in_the_recording() -> None:
    assert {79, 64, 63, 48} <= {entry["code"] for entry in LINES}


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("NVRM: Xid (PCI:0000:B3:00.0): 79, x", "gpu:0000:b3:00"),
        ("NVRM: Xid (PCI:00000000:b3:00): 79", "gpu:0000:b3:00"),
        ("NVRM: Xid (0000:03:00): 79, Channel 1", "gpu:0000:03:00"),
        ("<4>[  12.5] NVRM: Xid (PCI:10000:01:00): 79,", "gpu:10000:01:00"),
        ("NVRM: GPU 18:00.0: GPU has fallen off the bus.", "gpu:0000:18:00"),
        ("NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.", "gpu:0000:18:00"),
    ],
)
def test_devices(line: str, device: str) -> None:
    seen = recognise_line(line)
    assert seen is not None and (seen.fault_class, seen.device) == ("gpu_fell_off_bus", device)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "NVRM: Xid",
        "NVRM: Xid (PCI:0000:b3:00): ",
        "NVRM: Xid (PCI:0000:b3:00): seventy-nine",
        "NVRM: Xid (PCI:0000:b3:00): 79x",
        "NVRM: Xid (PCI:0000:zz:00): 79, x",
        "NVRM: Xid (PCI:b3:00.0): 79",
        "nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  570.86.15",
        "NVRM: GPU at PCI:0000:b3:00: GPU-11111111-2222-3333-4444-555555555555",
        "XNVRM: Xid (PCI:0000:b3:00): 79, x",
        "gpu_exporter: the last code was 79",
        "INFO: task NVRM:1234 blocked for more than 120 seconds.",
        # Somebody else repeats the words.
        "audit: msg='NVRM: Xid (PCI:0000:b3:00): 79, x'",
        'app: "NVRM: Xid (PCI:0000:b3:00): 79, x"',
        "app: last=NVRM: Xid (PCI:0000:b3:00): 79, x",
        "app: `NVRM: Xid (PCI:0000:b3:00): 79, x",
        "x" * 97 + " NVRM: Xid (PCI:0000:b3:00): 79, x",
    ],
)
def test_near_misses(line: str) -> None:
    assert recognise_line(line) is None


def test_the_driver_speaks_first() -> None:
    """A process may be named like a fault; what the driver says about it stays what it is."""
    seen = recognise_line("NVRM: Xid (PCI:0000:b5:00): 31, pid=1, name=NVRM: Xid (PCI:0000:01:00): 79, x")
    assert seen == Recognition("gpu_xid_other", "gpu:0000:b5:00", 31)


@given(st.text(max_size=300))
def test_no_text_breaks_the_recogniser(text: str) -> None:
    recognise_line(text)
    recognise_alert({"fault_class": text, "pci_bus_id": text})
    assert recognise_line("Jul 23 host kernel: " + text) == recognise_line("kernel: " + text) or "NVRM" in text


def test_a_long_line_takes_no_long_time() -> None:
    began = time.monotonic()
    for line in ("NVRM: Xid (PCI:" * 5000, "a " * 50000, "NVRM: GPU at PCI:" * 5000, "[" * 100000):
        assert recognise_line(line) is None
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("labels", "seen"),
    [
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0"}, "gpu:0000:1b:00"),
        ({"fault_class": "gpu_row_remap_failure"}, "node"),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": ""}, "node"),
        ({"fault_class": "gpu_count_low", "pci_bus_id": "00000000:1B:00.0"}, "node"),
        ({"fault_class": "ansible_run_failed"}, "node"),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "{{ 7 * 7 }}"}, None),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0\n"}, None),
        ({"fault_class": "gpu_xid_other"}, None),
        ({"fault_class": "no_such_class"}, None),
        ({"fault_class": 5}, None),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": 5}, None),
        ({"alertname": "Watchdog"}, None),
    ],
)
def test_alerts(labels: dict[str, str], seen: str | None) -> None:
    answer = recognise_alert(labels)
    assert (answer.device if answer else None) == seen
    assert answer is None or answer.fault_class == labels["fault_class"]


def test_pci_spellings_are_one_device() -> None:
    spellings = ("00000000:1B:00.0", "0000:1b:00.0", "0000:1b:00", "PCI:0000:1B:00")
    assert {device_of_pci(text) for text in spellings} == {"gpu:0000:1b:00"}


def test_strength() -> None:
    order = sorted(CLASSES, key=strength)
    assert strength("gpu_fell_off_bus") > strength("gpu_row_remap_failure") > strength("ansible_run_failed")
    assert strength("ansible_run_failed") > strength("gpu_row_remap_pending")
    assert order[0] == "gpu_xid_other"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_makes_sense(name: str) -> None:
    row = CLASSES[name]
    assert row.title and row.description and row.sources
    assert not row.workflow or row.validation
    assert ("resume" in row.workflow) == row.removes_node
    if row.removes_node:
        assert row.workflow[0] == "cordon" and row.workflow[-2:] == ("validate", "resume")
