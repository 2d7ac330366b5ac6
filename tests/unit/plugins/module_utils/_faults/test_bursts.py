# Tests of bursts: what one fault says in many lines is one fault, and what only follows knows whom.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._faults import recognise_lines

GPU = "NVRM: Xid (PCI:0000:1b:00): {}, pid='<unknown>', name=<unknown>, x"
RESET = "NVRM: Xid (PCI:0000:1b:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"


def codes(*lines: str, times: list[float] | None = None, burst: float = 180.0) -> list[tuple[int | None, int | None]]:
    return [(f.recognition.code, f.recognition.leader) for f in recognise_lines(lines, times, burst)]


def test_followers_follow_the_worst() -> None:
    assert codes(GPU.format(45), GPU.format(63), GPU.format(48)) == [(48, None), (63, 48), (45, 48)]
    assert codes(GPU.format(94), GPU.format(48)) == [(48, None), (94, 48)]
    assert codes(GPU.format(63), GPU.format(94), GPU.format(45)) == [(63, None), (94, 63), (45, 63)]
    assert codes(GPU.format(45), GPU.format(13)) == [(45, 13), (13, None)]


def test_nothing_worse_is_hidden_behind_a_leader() -> None:
    """95 and 64 follow others as well, but only ones that are no weaker."""
    assert codes(GPU.format(31), GPU.format(95)) == [(95, None), (31, None)]
    assert codes(GPU.format(31), GPU.format(64)) == [(64, None), (31, None)]
    assert codes(GPU.format(79), GPU.format(95)) == [(79, None), (95, 79)]


def test_a_lone_follower_has_no_leader() -> None:
    assert codes(GPU.format(45)) == [(45, None)]
    assert codes(GPU.format(45), GPU.format(48).replace("1b", "1c")) == [(45, None), (48, None)]
    assert codes("NVRM: Xid (PCI:0000:1b:00): 45, pid=1, name=a, Ch 1 caused by previous Xid 31") == [(45, 31)]


def test_what_the_driver_asks_for_leads() -> None:
    found = codes(GPU.format(63), RESET)
    assert found == [(154, None), (63, 154)]


def test_repetitions_are_counted() -> None:
    (fault,) = recognise_lines([GPU.format(31)] * 500)
    assert (fault.count, fault.at, fault.line) == (500, 0, GPU.format(31))


def test_time_parts_bursts() -> None:
    lines = [GPU.format(48), GPU.format(63), GPU.format(45)]
    assert codes(*lines, times=[0.0, 180.0, 361.0]) == [(48, None), (63, 48), (45, None)]
    assert codes(*lines, times=[0.0, 10.0, 20.0], burst=5) == [(48, None), (63, None), (45, None)]


def test_a_gpu_named_two_lines_before() -> None:
    lines = [
        "nvidia 0000:b3:00.0: enabling device (0140 -> 0142)",
        "[    6.1] NVRM: The NVIDIA GPU 0000:b3:00.0",
        "[    6.1] NVRM: (PCI ID: 10de:26b5) installed in this system has",
        "[    6.1] NVRM: fallen off the bus and is not responding to commands.",
    ]
    (fault,) = recognise_lines(lines)
    assert (fault.recognition.fault_class, fault.recognition.device) == ("gpu_fell_off_bus", "gpu:0000:b3:00")
    (fault,) = recognise_lines([*lines[:3], "x", "y", lines[3]])
    assert fault.recognition.device == "node"


@given(st.lists(st.sampled_from([GPU.format(code) for code in (13, 31, 45, 48, 63, 64, 79, 94, 95)] + [RESET, "x"])))
def test_every_burst_has_exactly_one_that_leads_or_stands_alone(lines: list[str]) -> None:
    found = recognise_lines(lines)
    assert sum(fault.count for fault in found) == len([line for line in lines if line != "x"])
    present = {fault.recognition.code for fault in found}
    assert not found or any(fault.recognition.leader is None for fault in found)
    for fault in found:
        leader = fault.recognition.leader
        assert leader is None or (leader in present and leader != fault.recognition.code)
    # The worst never follows anybody, unless another is just as bad.
    assert not found or found[0].recognition.leader in (None, *present)
