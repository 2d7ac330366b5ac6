# Injected faults: what NVML answers, what the kernel prints, and what a reset, a reboot or a power cycle clears.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

# What tells a healthy GPU from a broken one; the handle is opened by PCI id, which no reboot changes.
HEALTH = """
def health(bus):
    code = error(n.nvmlDeviceGetHandleByPciBusId, bus)
    if code:
        return {"handle": code}
    h = n.nvmlDeviceGetHandleByPciBusId(bus)
    if error(n.nvmlDeviceGetTemperature, h, 0):
        return {"query": error(n.nvmlDeviceGetTemperature, h, 0)}
    found = {
        "ecc": n.nvmlDeviceGetTotalEccErrors(h, 1, 0), "ecc_ever": n.nvmlDeviceGetTotalEccErrors(h, 1, 1),
        "corrected": n.nvmlDeviceGetTotalEccErrors(h, 0, 0), "rows": n.nvmlDeviceGetRemappedRows(h)[1],
        "pending": n.nvmlDeviceGetRemappedRows(h)[2], "failure": n.nvmlDeviceGetRemappedRows(h)[3],
        "action": n.nvmlDeviceGetFieldValues(h, [230])[0].value.uiVal,
        "hot": int(n.nvmlDeviceGetTemperature(h, 0) > n.nvmlDeviceGetTemperatureThreshold(h, 1)),
        "narrow": int(n.nvmlDeviceGetCurrPcieLinkWidth(h) < n.nvmlDeviceGetMaxPcieLinkWidth(h)),
        "links_down": [n.nvmlDeviceGetNvLinkState(h, link) for link in range(18)].count(0),
    }
    return {key: value for key, value in found.items() if value}
answer = health("00000000:43:00.0")
"""
HEALTHY: dict[str, int] = {}
LOST = {"handle": 15}
MISSING = {"handle": 6}

# fault -> (state after injection, after a reset, after a reboot, after a power cycle); None: the reset is refused
LIFE: dict[str, tuple[Any, Any, Any, Any]] = {
    "xid79": (LOST, None, HEALTHY, HEALTHY),
    "xid64": ({"ecc": 1, "ecc_ever": 1, "failure": 1, "action": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}),
    "xid63": (
        {"ecc": 1, "ecc_ever": 1, "rows": 1, "pending": 1, "action": 4},
        {"ecc_ever": 1, "rows": 1}, {"ecc_ever": 1, "rows": 1}, {"ecc_ever": 1, "rows": 1},
    ),
    "xid48": ({"ecc": 1, "ecc_ever": 1, "action": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}),
    "xid94": ({"ecc": 1, "ecc_ever": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}, {"ecc_ever": 1}),
    "xid119": ({"query": 999}, HEALTHY, HEALTHY, HEALTHY),
    "xid13": (HEALTHY, HEALTHY, HEALTHY, HEALTHY),
    "hot": ({"hot": 1}, {"hot": 1}, {"hot": 1}, HEALTHY),
    "nvlink-down": ({"links_down": 1, "action": 1}, HEALTHY, HEALTHY, HEALTHY),
    "ecc": ({"corrected": 1000}, HEALTHY, HEALTHY, HEALTHY),
    "pcie-width": ({"narrow": 1}, {"narrow": 1}, HEALTHY, HEALTHY),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(LIFE))
def test_what_clears_a_fault(node: Node, fault: str) -> None:
    injected, reset, reboot, power_cycle = LIFE[fault]
    node.gpusim("inject", fault, "--gpu", "1")
    saved = node.state.read_text()
    assert node.ask(HEALTH) == injected
    if reset is None:
        assert "lost" in node.gpusim("reset", "--gpu", "1", status=3)
    else:
        node.gpusim("reset", "--gpu", "1")
        assert node.ask(HEALTH) == reset
    for command, expected in (("boot", reboot), ("power-cycle", power_cycle)):
        node.state.write_text(saved)
        node.gpusim(command)
        assert node.ask(HEALTH) == expected, command


# fault -> what a GPU that needs an RMA shows after a reset, and after a power cycle
PERMANENT: dict[str, tuple[Any, Any]] = {
    "xid79": (None, MISSING),
    "xid64": (
        {"ecc": 1, "ecc_ever": 2, "failure": 1, "action": 1}, {"ecc": 1, "ecc_ever": 3, "failure": 1, "action": 1}
    ),
    "xid119": ({"query": 999}, {"query": 999}),
    "nvlink-down": ({"links_down": 1, "action": 1}, {"links_down": 1, "action": 1}),
    "pcie-width": ({"narrow": 1}, {"narrow": 1}),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(PERMANENT))
def test_a_gpu_that_needs_an_rma_stays_broken_until_it_is_replaced(node: Node, fault: str) -> None:
    reset, power_cycle = PERMANENT[fault]
    serial = node.entry("serial", 1)
    node.gpusim("inject", fault, "--gpu", "1", "--permanent")
    if reset is not None:
        node.gpusim("reset", "--gpu", "1")
        assert node.ask(HEALTH) == reset
    node.gpusim("power-cycle")
    assert node.ask(HEALTH) == power_cycle
    node.gpusim("replace", "--gpu", "1")
    node.gpusim("boot")
    assert node.ask(HEALTH) == HEALTHY
    assert node.entry("serial", 1) not in (serial, None), "another board has another serial number"


def test_a_lost_gpu_still_counts_until_the_reboot(node: Node) -> None:
    node.gpusim("inject", "xid79", "--gpu", "1", "--permanent")
    look = """
    count = n.nvmlDeviceGetCount()
    codes = [error(n.nvmlDeviceGetHandleByIndex, i) for i in range(count)]
    buses = [n.nvmlDeviceGetPciInfo(gpu(i)).busId[9:11] for i in range(count) if not codes[i]]
    minors = [n.nvmlDeviceGetMinorNumber(gpu(i)) for i in range(count) if not codes[i]]
    answer = [codes, buses, minors, error(n.nvmlDeviceGetHandleByUUID, "GPU-unknown")]
    """
    assert node.ask(look) == [[0, 15, 0, 0], ["1B", "52", "61"], [0, 2, 3], 15]
    node.gpusim("boot")
    assert node.ask(look) == [[0, 0, 0], ["1B", "52", "61"], [0, 1, 2], 6], "the others move up after the boot"


def test_a_handle_opened_before_the_fault_is_lost_too(node: Node) -> None:
    answer = node.ask(
        """
        import os, subprocess
        h, other = gpu(1), gpu(0)
        before = error(n.nvmlDeviceGetTemperature, h, 0)
        subprocess.run([sys.executable, os.environ["GPUSIM"], "inject", "xid79", "--gpu", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        answer = [before, error(n.nvmlDeviceGetTemperature, h, 0), error(n.nvmlDeviceGetFieldValues, h, [230]),
                  error(n.nvmlDeviceSetPersistenceMode, h, 1), error(n.nvmlDeviceGetTemperature, other, 0)]
        """
    )
    assert answer == [0, 15, 15, 15, 0]


def test_kernel_lines_of_a_gpu_that_falls_off_the_bus(node: Node) -> None:
    before = len(node.kernel_log())
    node.gpusim("inject", "xid79", "--gpu", "0")
    uuid, serial = node.entry("uuid", 0), node.entry("serial", 0)
    assert node.kernel_log()[before:] == [
        f"NVRM: GPU at PCI:0000:1b:00: {uuid}",
        f"NVRM: GPU Board Serial Number: {serial}",
        "NVRM: Xid (PCI:0000:1b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        "NVRM: GPU 0000:1b:00.0: GPU has fallen off the bus.",
        f"NVRM: GPU 0000:1b:00.0: GPU serial number is {serial}.",
        "NVRM: A GPU crash dump has been created. If possible, please run",
        "NVRM: nvidia-bug-report.sh as root to collect this data before",
        "NVRM: the NVIDIA kernel module is unloaded.",
        "NVRM: Xid (PCI:0000:1b:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)",
    ]


@pytest.mark.parametrize(
    ("fault", "codes"),
    [("xid64", [64, 154]), ("row-remap-failure", [64, 154]), ("xid63", [63, 154]), ("xid48", [48, 154]),
     ("xid94", [94]), ("xid119", [119]), ("xid13", [13, 13]), ("nvlink-down", [74, 154]), ("hot", []),
     ("ecc", [])],
)  # fmt: skip
def test_xid_lines_of_the_faults(node: Node, fault: str, codes: list[int]) -> None:
    node.gpusim("inject", fault, "--gpu", "3")
    lines = node.xid_lines()
    assert [int(line.split("): ", 1)[1].split(",")[0]) for line in lines] == codes
    assert all(line.startswith("NVRM: Xid (PCI:0000:61:00): ") and "{" not in line for line in lines)


def test_the_board_is_named_once_and_the_action_only_when_it_changes(node: Node) -> None:
    node.gpusim("inject", "xid48", "--gpu", "0")
    node.gpusim("inject", "xid48", "--gpu", "0")
    text = "\n".join(node.kernel_log())
    assert (text.count("GPU at PCI"), text.count("): 48,"), text.count("): 154,")) == (1, 2, 1)
    assert node.entry("ecc_uncorrected_volatile_dram", 0) == "2"


def test_fault_that_only_metrics_show(node: Node) -> None:
    before = node.kernel_log()
    node.gpusim("inject", "row-remap-failure", "--gpu", "0", "--permanent", "--no-log")
    assert node.kernel_log() == before
    assert (node.folder / "state.events").read_text() == ""
    assert node.entry("remapped_rows_failure", 0) == "1"


def test_kernel_log_of_a_boot(node: Node) -> None:
    """The log of the boot before is gone, and the driver says what it did not find."""
    node.gpusim("inject", "xid79", "--gpu", "1", "--permanent")
    old = (node.folder / "kernel.log").stat().st_ino
    keep = (node.folder / "kernel.log").open()  # an open file keeps its number from being given out again
    node.gpusim("boot")
    keep.close()
    lines = node.kernel_log()
    assert (node.folder / "kernel.log").stat().st_ino != old, "a log reader has to see a new file"
    assert node.xid_lines() == []
    place = lines.index("NVRM: The NVIDIA GPU 0000:43:00.0")
    assert lines[place + 1 : place + 4] == [
        "NVRM: (PCI ID: 10de:2330) installed in this system has",
        "NVRM: fallen off the bus and is not responding to commands.",
        "nvidia: probe of 0000:43:00.0 failed with error -1",
    ]
    assert lines[0].startswith("rtc_cmos 00:01: setting system clock to ")
    assert lines[-1] == "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.148.08  Release Build"


def test_a_reboot_forgets_what_the_driver_keeps_in_memory(node: Node) -> None:
    node.ask("h = gpu(0); n.nvmlDeviceSetPersistenceMode(h, 1); n.nvmlDeviceSetPowerManagementLimit(h, 400000)")
    node.gpusim(
        "set", "--gpu", "0", "energy=99", "processes=7:1", "violation_power=5", "ecc_uncorrected_aggregate_sram=3"
    )
    node.gpusim("boot")
    kept = {key: node.entry(key, 0) for key in ("persistence_mode", "power_limit", "energy", "processes",
                                                "violation_power", "ecc_uncorrected_aggregate_sram")}  # fmt: skip
    assert kept == {
        "persistence_mode": "0", "power_limit": "700000", "energy": "0", "processes": None, "violation_power": "0",
        "ecc_uncorrected_aggregate_sram": "3",
    }  # fmt: skip


def test_node_faults(node: Node) -> None:
    node.gpusim("inject", "driver-mismatch")
    assert node.ask("answer = error(n.nvmlInit)", init=False) == 18
    assert "NVRM: this kernel module has the version 570.148.08.  Please" in node.kernel_log()
    node.gpusim("boot")
    node.gpusim("inject", "uninitialized")
    assert node.ask("answer = [error(n.nvmlDeviceGetCount), error(n.nvmlSystemGetDriverVersion)]") == [1, 1]
    node.gpusim("boot")
    node.gpusim("set", "--gpu", "2", "error_handle=4")
    assert node.ask("answer = [error(n.nvmlDeviceGetHandleByIndex, i) for i in range(4)]") == [0, 0, 4, 0]
    assert node.ask("answer = n.nvmlDeviceGetCount()") == 4


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["inject", "xid79"], 2, "say which GPU"),
        (["inject", "xid79", "--gpu", "4"], 2, "slots 0 to 3"),
        (["inject", "xid79", "--gpu", "-1"], 2, "slots 0 to 3"),
        (["inject", "xid13", "--gpu", "0", "--permanent"], 2, "cannot be permanent"),
        (["inject", "driver-mismatch", "--gpu", "0"], 2, "whole node"),
        (["inject", "xid1234", "--gpu", "0"], 2, "invalid choice"),
        (["set", "temperature_gpu"], 2, "is not key=value"),
        (["set", "Bad=1"], 2, "is not key=value"),
        (["set", "name=a\nuuid=b"], 2, "is not key=value"),
        (["set", "gpus=3"], 2, "gpusim init"),
        (["init", "--model", "NVIDIA L40S", "--gpus", "17"], 2, "0 to 16"),
        (["init", "--model", "NVIDIA L40S", "--node", "../x"], 2, "host name"),
        (["init", "--model", "Voodoo 2"], 2, "invalid choice"),
    ],
)
def test_wrong_commands_change_nothing(node: Node, arguments: list[str], status: int, text: str) -> None:
    before, log = node.state.read_text(), node.kernel_log()
    assert text in node.gpusim(*arguments, status=status)
    assert (node.state.read_text(), node.kernel_log()) == (before, log)


def test_refusals(bare_node: Node) -> None:
    bare_node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "2", "--node", "n1")
    assert "no NVLink" in bare_node.gpusim("inject", "nvlink-down", "--gpu", "0", status=3)
    bare_node.gpusim("inject", "xid79", "--gpu", "0")
    assert "lost" in bare_node.gpusim("inject", "xid48", "--gpu", "0", status=3)
    bare_node.gpusim("set", "--gpu", "1", "processes=4242:1:python3")
    assert "in use by 4242:1:python3" in bare_node.gpusim("reset", "--gpu", "1", status=3)


def test_commands_without_a_state(bare_node: Node) -> None:
    assert "no simulated GPUs" in bare_node.gpusim("boot"), "a node without GPUs boots too"
    assert "gpusim init" in bare_node.gpusim("show", status=1)
    assert "gpusim init" in bare_node.gpusim("inject", "xid79", "--gpu", "0", status=1)


def test_set_for_all_gpus_and_show(node: Node) -> None:
    node.gpusim("set", "temperature_gpu=77")
    assert node.ask("answer = [n.nvmlDeviceGetTemperature(gpu(i), 0) for i in range(4)]") == [77] * 4
    node.gpusim("set", "--gpu", "1", "temperature_gpu=50")
    assert node.gpusim("show", "--gpu", "1", "temperature_gpu") == "temperature_gpu.1=50\n"
    assert node.gpusim("show", "temperature_gpu") == "temperature_gpu=77\ntemperature_gpu.1=50\n"
