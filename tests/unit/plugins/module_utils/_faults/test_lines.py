# Tests of the recognisers: recorded lines, a day of ordinary ones, near misses, hostile ones.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, DEFAULT, Recognition, recognise_line
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_benign import BENIGN
from ansible_collections.aidc.ops.plugins.module_utils._faults.heads import heads

FIXTURES = Path(__file__).parents[3] / "fixtures" / "kernel_log"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in (FIXTURES / "lines.jsonl").read_text(encoding="utf-8").splitlines()
]
# One line at least for every pattern of a class.
EXAMPLES: list[dict[str, str]] = [
    json.loads(line) for line in (FIXTURES / "patterns.jsonl").read_text(encoding="utf-8").splitlines()
]
# What the coarse kinds of the recording may be here; None: an ordinary or benign message.
COARSE: dict[str, set[str | None]] = {
    "buffer_io_error": {"filesystem_readonly"},
    "fallen_off_bus": {"gpu_fell_off_bus"},
    "fs_readonly": {"filesystem_readonly"},
    "hung_task": {"cpu_lockup", "remote_filesystem_hang"},
    "mlx5": {"nic_health", None},
    "nfs_not_responding": {"remote_filesystem_hang"},
    "nvme_timeout": {"nvme_failing"},
    "raid_disk_failure": {"drive_missing"},
    "soft_lockup": {"cpu_lockup", None},
    "sxid": {"nvswitch_fatal", "nvswitch_nonfatal", "gpu_xid_unknown"},
}


def test_recorded_lines() -> None:
    assert len(LINES) == 181
    for entry in LINES:
        seen = recognise_line(entry["line"])
        found = seen and (seen.fault_class, seen.code, seen.device, seen.action, seen.location)
        if entry["expected"] is None:
            assert found is None, entry
            assert entry["why"], entry
        else:
            wanted = tuple(entry[key] for key in ("expected", "code", "device", "action", "location"))
            assert found == wanted, entry
        if entry["class"] == "xid":
            codes = CLASSES[entry["expected"]].xids
            assert entry["code"] in codes or (entry["expected"] == "gpu_xid_unknown" and not codes), entry
        else:
            assert entry["expected"] in COARSE[entry["class"]], entry


def test_every_class_with_a_recogniser_is_recognised_by_its_drill() -> None:
    drilled = set()
    for row in CLASSES.values():
        if row.drill["kind"] == "line":
            seen = recognise_line(row.drill["text"].format(pci="0000:1b:00"))
            assert seen is not None and seen.fault_class == row.name, (row.name, seen)
            drilled.add(row.name)
    recorded = {entry["expected"] for entry in LINES}
    for row in CLASSES.values():
        if row.xids or row.sxids or row.lines:
            assert row.name in drilled | recorded | {entry["class"] for entry in EXAMPLES}, row.name


def test_every_pattern_has_its_line() -> None:
    for entry in EXAMPLES:
        seen = recognise_line(entry["line"])
        assert seen is not None, entry
        assert (seen.fault_class, seen.device, seen.location) == (entry["class"], entry["device"], entry["location"])
    texts = [entry["line"] for entry in (*EXAMPLES, *LINES)]
    texts += [row.drill["text"].format(pci="0000:1b:00") for row in CLASSES.values() if row.drill["kind"] == "line"]
    for row in CLASSES.values():
        for pattern in row.lines:
            compiled = re.compile(pattern)
            assert any(compiled.match(text, at) for text in texts for at in heads(text)), (row.name, pattern)


def test_no_ordinary_line_is_a_fault() -> None:
    lines = [
        (path.name, line) for path in sorted(FIXTURES.glob("*.txt")) for line in path.read_text("utf-8").splitlines()
    ]
    assert len(lines) > 600
    assert [(name, line) for name, line in lines if recognise_line(line) is not None] == []


def test_benign_messages_are_known_and_no_faults() -> None:
    for title, pattern, example, why in BENIGN:
        assert title and why
        assert any(re.compile(pattern).match(example, at) for at in heads(example)), example
        assert recognise_line(example) is None, example


# What log programs put in front of a message.
FRONTS = (
    "",
    "<4>",
    "<4>[  12.5] ",
    "<3>1 2026-11-21T07:00:00.000001Z gpu1 kernel - - - ",
    "[ 1108.858286] ",
    "[ 1108.858286][    C3] ",
    "[ 1108.858286][T1234] ",
    "[Sun Jun 29 19:29:39 2025] ",
    "[Sun Dec  1 14:54:40 2024] gpu1 kernel: ",
    "kern  :warn  : 2025-01-21T04:41:44,283302+00:00 ",
    "kern  :err   : [Sun Jun 29 19:29:39 2025] ",
    "Oct 16 20:47:19 gpu1 kernel: ",
    "Oct 16 20:47:19 gpu-1.example.org kernel: [249078.442331] ",
    "2026-11-21T07:00:00.123456+01:00 gpu1 kernel: [    3.1] ",
    "2026-11-21T07:00:00Z gpu1 kernel: ",
    "4,1836,1201000007,-;",
    "kernel: ",
    "gpu1 kernel: ",
    "> ",
    "# [ 42.123] ",
    "\t",
)


def test_fronts() -> None:
    wanted = Recognition("gpu_fell_off_bus", "gpu:0000:b3:00", 79)
    for front in FRONTS:
        assert recognise_line(front + "NVRM: Xid (PCI:0000:b3:00): 79, x") == wanted, front
        seen = recognise_line(front + "nfs: server 192.0.2.16 not responding, timed out")
        assert seen is not None and seen.location == "192.0.2.16", front


def test_writings_of_an_xid() -> None:
    for line, device in (
        ("NVRM: Xid (PCI:0000:B3:00.0): 79, x", "gpu:0000:b3:00"),
        ("NVRM: Xid (PCI:00000000:b3:00): 79", "gpu:0000:b3:00"),
        ("NVRM: Xid (0000:03:00): 79, Channel 1", "gpu:0000:03:00"),
        ("NVRM: Xid (PCI:10000:01:00): 79,", "gpu:10000:01:00"),
        ("NVRM: Xid (PCI:0000:01:00 GPU-I:05): 79, pid=7194, x", "gpu:0000:01:00"),
        ("NVRM: Xid (PCI:0000:01:00 GPU-I:05 GPU-CI:00): 79, pid=7194, x", "gpu:0000:01:00"),
    ):
        assert recognise_line(line) == Recognition("gpu_fell_off_bus", device, 79), line


def test_what_the_text_of_an_xid_tells() -> None:
    def told(text: str) -> tuple[str, str, int | None]:
        seen = recognise_line(f"NVRM: Xid (PCI:0000:b5:00): {text}")
        assert seen is not None
        return seen.action, seen.location, seen.leader

    known = "pid='<unknown>', name=<unknown>, "
    assert told("13, " + known + "Graphics SM Warp Exception on (GPC 1, TPC 3, SM 0): Out Of Range") == (
        "",
        "gpc1.tpc3",
        None,
    )
    assert told(
        "31, pid=1, name=a, Ch 00000007, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f"
    ) == (
        "",
        "graphics.gpcclient_t1_0",
        None,
    )
    assert told("45, pid=1, name=a, Ch 00000007 caused by previous Xid 31") == ("", "", 31)
    assert told("74, " + known + "NVLink: fatal error detected on link 14(0x0, 0x0)") == ("", "link14", None)
    change = "154, GPU recovery action changed from 0x0 (None) to "
    assert told(change + "0x0 (None)")[0] == "none"
    assert told(change + "0x1 (GPU Reset Required)")[0] == "reset"
    assert told(change + "0x2 (Node Reboot Required)")[0] == "reboot"
    assert told(change + "0x3 (Drain P2P)")[0] == "reset_group"
    assert told(change + "0x4 (Drain and Reset)")[0] == "reset"
    assert told(change + "0x2 (Something New)")[0] == "reboot"
    assert told(change + "0x9 (Something New)")[0] == "support"
    assert told(change + "(Node Reboot)")[0] == "reboot"
    assert told(change + "(Something New)")[0] == "support"
    assert told("154, GPU recovery action")[0] == ""
    assert told("106, SMBPBI test")[0] == "none"
    assert told("58, memory")[0] == ""


def test_the_driver_speaks_first_and_users_do_not() -> None:
    """A process may be named like a fault, or like the text of one; what the driver says about it stays what it is."""
    seen = recognise_line("NVRM: Xid (PCI:0000:b5:00): 31, pid=1, name=NVRM: Xid (PCI:0000:01:00): 79, x")
    assert seen == Recognition("gpu_mmu_fault", "gpu:0000:b5:00", 31)
    name = "GPU recovery action changed from 0x0 (None) to 0x0 (None)"
    seen = recognise_line(
        f"NVRM: Xid (PCI:0000:b5:00): 154, pid=1, name={name}, GPU recovery action changed from (None) to (Node Reboot)"
    )
    assert seen is not None and seen.action == "reboot"
    seen = recognise_line("NVRM: Xid (PCI:0000:b5:00): 45, pid=1, name=a caused by previous Xid 13, Ch 00000007")
    assert seen is not None and seen.leader is None


@given(st.text(max_size=300))
def test_no_text_breaks_the_recogniser(text: str) -> None:
    recognise_line(text)
    for front in FRONTS[:6]:
        recognise_line(front + text)
    recognise_line("NVRM: Xid (PCI:0000:b5:00): 145, " + text)
    recognise_line("mlx5_core 0000:5c:00.0: " + text)


@given(st.sampled_from(LINES), st.integers(0, 200), st.text(max_size=5), st.integers(0, 5))
def test_no_damaged_line_breaks_the_recogniser(entry: dict[str, Any], at: int, patch: str, cut: int) -> None:
    line = entry["line"]
    recognise_line(line[:at] + patch + line[at + cut :])


def test_hostile_lines_take_no_long_time() -> None:
    """A megabyte that begins like a pattern and goes on as its repetitions do."""
    starts = {
        "NVRM: Xid (PCI:",
        "nvidia-nvswitch1: SXid (PCI:0000:c3:00.0): 1, ",
        "[",
        "<4>",
        "Oct 16 20:47:19 a",
        "kernel: ",
    }
    starts |= {entry["line"][:cut] for entry in LINES for cut in (20, 40, 80)}
    starts |= {entry["line"][:cut] for entry in EXAMPLES for cut in (20, 40, 80)}
    began = time.monotonic()
    for start in starts:
        for fill in ("a", "0", "0:", " ", "(", "\n", "NVRM: ", "kernel: "):
            recognise_line(start + fill * 5000)
    for fill in ("NVRM: Xid (PCI:", "a ", "NVRM: GPU at PCI:", "[", "kernel: ", "<1>"):
        recognise_line(fill * (1_000_000 // len(fill)))
    assert time.monotonic() - began < 5


def test_ordinary_logs_are_read_fast() -> None:
    lines = (FIXTURES / "ordinary_debian.txt").read_text("utf-8").splitlines() * 40
    recognise_line("")
    began = time.monotonic()
    for line in lines:
        recognise_line(line)
    assert time.monotonic() - began < 0.001 * len(lines)


@pytest.mark.parametrize(("driver", "action"), [(None, "reset"), (570, "none"), (575, "none")])
def test_the_driver_decides_the_layout(driver: int | None, action: str) -> None:
    """A register that is RLW_REMAP in the new layout and nothing in the old one, and the other way round."""
    new = "NVRM: Xid (PCI:0000:00:08.0): 145, RLW_REMAP Nonfatal XC1 i0 Link 10 (0x00000004 0x00000040 0x0)"
    old = "NVRM: Xid (PCI:0000:00:08.0): 145, RLW_REMAP Nonfatal XC1 i0 Link 10 (0x00000082 0x00000040 0x0)"
    for line, layout in ((new, 575), (old, 570)):
        seen = DEFAULT.recognise_line(line, driver)
        assert seen is not None
        # In the wrong layout the line cannot be decoded, and the class decides.
        assert seen.action == ("reset" if driver in (None, layout) else "")
