# The stand-in of nvidia-smi: the calls that the roles make, in the real program's words and exit statuses.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from conftest import Node

GPU0, GPU1 = "00000000:1B:00.0", "00000000:43:00.0"


def test_list(node: Node) -> None:
    uuids = [node.entry("uuid", i) for i in range(4)]
    assert node.smi("-L").splitlines() == [f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: {uuids[i]})" for i in range(4)]
    assert node.smi("-L", "-i", f"2,{uuids[1]}").splitlines()[1].startswith("GPU 1: ")
    assert node.smi("--list-gpus", "-i", "0000:1b:00.0").startswith("GPU 0: ")


def test_query_as_csv(node: Node) -> None:
    node.gpusim("set", "--gpu", "1", "temperature_gpu=61", "power_usage=350120", "ecc_uncorrected_volatile_dram=2")
    fields = "index,gpu_name,pci.bus_id,memory.total,power.draw,temperature.gpu"
    assert node.smi(f"--query-gpu={fields}", "--format=csv", "-i", "1").splitlines() == [
        "index, gpu_name, pci.bus_id, memory.total [MiB], power.draw [W], temperature.gpu",
        f"1, NVIDIA H100 80GB HBM3, {GPU1}, 81559 MiB, 350.12 W, 61",
    ]
    more = "persistence_mode,power.limit,clocks.sm,ecc.errors.uncorrected.volatile.total"
    assert node.smi(f"--query-gpu={more}", "--format=csv,noheader,nounits", "-i", "1") == "Disabled, 700.00, 345, 2\n"
    assert len(node.smi("--query-gpu=count", "--format=csv,noheader").splitlines()) == 4


def test_every_field_answers(node: Node, smi: ModuleType) -> None:
    fields = ",".join([*smi.FIELDS, *smi.ALIASES])
    assert "[" not in node.smi(f"--query-gpu={fields}", "--format=csv,noheader", "-i", "0")
    node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "1", "--node", "n1")
    lacking = node.smi("--query-gpu=mig.mode.current,temperature.memory,power.draw", "--format=csv,noheader")
    assert lacking.startswith("[N/A], [N/A], 3")


def test_report(node: Node) -> None:
    node.gpusim("set", "--gpu", "0", "remapped_rows_pending=1", "temperature_gpu=66")
    text = node.smi("-q", "-i", "0")
    assert f"\nGPU {GPU0}\n" in text and GPU1 not in text
    for line in ("Pending                                   : Yes", "GPU Current Temp                          : 66 C",
                 "Max Power Limit                           : 700.00 W"):  # fmt: skip
        assert f"        {line}\n" in text
    assert GPU1 in node.smi("-q")
    assert "700.00W" in node.smi(), "without an option there is an overview"


def test_settings(node: Node) -> None:
    assert node.smi("-pm", "1", "-i", "0") == f"Enabled persistence mode for GPU {GPU0}.\nAll done.\n"
    assert node.smi("-pm", "1", "-i", "0") == f"Persistence mode is already Enabled for GPU {GPU0}.\nAll done.\n"
    assert node.smi("-pl", "350", "-i", "1") == (
        f"Power limit for GPU {GPU1} was set to 350.00 W from 700.00 W.\nAll done.\n"
    )
    assert node.smi("-lgc", "1200,1500", "-i", "1") == (
        f'GPU clocks set to "(gpuClkMin 1200, gpuClkMax 1500)" for GPU {GPU1}\nAll done.\n'
    )
    assert node.smi("--query-gpu=power.limit,clocks.gr", "--format=csv,noheader,nounits", "-i", "1") == "350.00, 1200\n"
    assert node.smi("-rgc") == "All done.\n"
    assert 'set to "(MEM 2619, SM 1965)"' in node.smi("--applications-clocks=2619,1965")
    assert node.smi("-rac") == "All done.\n"
    assert node.smi("-e", "0", "-i", "1").endswith(
        f"Disabled ECC support for GPU {GPU1}.\nAll done.\nReboot required.\n"
    )
    node.gpusim("set", "--gpu", "0", "ecc_corrected_volatile_dram=5")
    assert node.smi("-p", "0").count("Reset volatile ECC errors to zero") == 4
    shown = [node.entry(key, gpu) for key, gpu in (
        ("persistence_mode", 0), ("persistence_mode", 1), ("power_limit", 0), ("power_limit", 1),
        ("ecc_mode_pending", 1),
        ("ecc_corrected_volatile_dram", 0), ("app_clock_graphics", 2), ("locked_graphics_max", 1))]  # fmt: skip
    assert shown == ["1", "0", "700000", "350000", "0", "0", "1980", "0"]


def test_reset(node: Node) -> None:
    node.gpusim("inject", "xid48", "--gpu", "1")
    assert node.smi("--gpu-reset", "-i", "1") == f"GPU {GPU1} was successfully reset.\nAll done.\n"
    assert node.entry("ecc_uncorrected_volatile_dram", 1) == "0"
    node.gpusim("set", "--gpu", "1", "processes=4242:1:python3")
    refused = node.smi("-r", "-i", "0,1", status=255)
    assert (
        f"GPU {GPU0} was successfully reset.\nThe following GPUs could not be reset:\n  GPU {GPU1}: In use by"
        in refused
    )
    assert "1 device is currently being used by one or more other processes" in refused


def test_reset_follows_the_board_when_numbers_have_moved(node: Node) -> None:
    """After a GPU has gone missing, NVML's index is no longer the slot."""
    node.gpusim("inject", "xid79", "--gpu", "0", "--permanent")
    node.gpusim("boot")
    node.gpusim("inject", "xid48", "--gpu", "1")
    assert node.smi("-r", "-i", "0").startswith(f"GPU {GPU1} was successfully reset.")
    assert node.entry("ecc_uncorrected_volatile_dram", 1) == "0"


def test_lost_gpu(node: Node) -> None:
    node.gpusim("inject", "xid79", "--gpu", "1")
    text = node.smi("-L", status=15)
    assert "device handle for GPU1: 0000:43:00.0: GPU is lost. Reboot the system to recover this GPU\n" in text
    assert text.count("UUID") == 3
    assert "GPU is lost" in node.smi("--gpu-reset", "-i", "1", status=15)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--no-such-option"], 2, "Invalid combination of input arguments"),
        (["-L=1"], 2, "Invalid combination of input arguments"),
        (["-pl"], 2, "requires an argument"),
        (["-pl", "much"], 2, "Invalid argument"),
        (["-pl", "nan"], 2, "Invalid argument"),
        (["-pl", "900"], 2, "should be between 200.00 W and 700.00 W for GPU 00000000:1B:00.0\nTerminating early"),
        (["-pm", "2"], 2, "Invalid argument"),
        (["-lgc", "1,2,3"], 2, "Invalid argument"),
        (["-ac", "1,2"], 2, "Terminating early due to previous errors."),
        (["-L", "-i", "9"], 6, "No devices were found"),
        (["--query-gpu=name,colour", "--format=csv"], 2, 'Field "colour" is not a valid field to query.'),
        (["--query-gpu=name"], 2, "--format="),
        (["--query-gpu=name", "--format=xml"], 2, "--format="),
        (["--gpu-reset"], 2, "-i"),
    ],
)
def test_wrong_arguments(node: Node, arguments: list[str], status: int, text: str) -> None:
    before = node.state.read_text()
    assert text in node.smi(*arguments, status=status)
    assert node.state.read_text() == before


def test_failures_of_the_driver(node: Node) -> None:
    node.gpusim("inject", "no-permission")
    assert node.smi("-pm", "1", status=4) == (
        f"The current user does not have permission to change persistence mode for GPU {GPU0}.\n"
        "Terminating early due to previous errors.\n"
    )
    node.gpusim("inject", "driver-mismatch")
    assert node.smi("-L", status=18) == "Failed to initialize NVML: Driver/library version mismatch\n"
    node.state.unlink()
    assert "couldn't communicate with the NVIDIA driver" in node.smi("-L", status=9)
