# MIG devices: made by the command, seen by nvidia-ml-py, gone after a reset.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

LIST = """
def devices(index):
    h = gpu(index)
    found = []
    for place in range(n.nvmlDeviceGetMaxMigDeviceCount(h)):
        code = error(n.nvmlDeviceGetMigDeviceHandleByIndex, h, place)
        if code:
            found.append(code)
            continue
        mig = n.nvmlDeviceGetMigDeviceHandleByIndex(h, place)
        slices = n.nvmlDeviceGetAttributes(mig)
        found.append([n.nvmlDeviceGetName(mig), n.nvmlDeviceGetUUID(mig)[:4], n.nvmlDeviceGetGpuInstanceId(mig),
                      n.nvmlDeviceGetComputeInstanceId(mig), n.nvmlDeviceGetMemoryInfo(mig).total >> 20,
                      slices.memorySizeMB, slices.gpuInstanceSliceCount, slices.computeInstanceSliceCount])
    return found
"""
H100 = "NVIDIA H100 80GB HBM3"


def ask(node: Node, code: str) -> Any:
    """Run a program that has the function devices(index)."""
    return node.ask(LIST + code)


def test_devices_of_a_divided_gpu(node: Node) -> None:
    assert node.gpusim("mig", "--gpu", "1", "3g.40gb", "1g.10gb", "1g.10gb") == "GPU 1: 3g.40gb, 1g.10gb, 1g.10gb\n"
    eighth = (81559 - 480) // 8
    small = [f"{H100} MIG 1g.10gb", "MIG-", 2, 0, eighth, eighth, 1, 1]
    assert ask(node, "answer = [n.nvmlDeviceGetMigMode(gpu(1)), devices(1), devices(0)]") == [
        [1, 1],
        [[f"{H100} MIG 3g.40gb", "MIG-", 1, 0, (81559 - 480) // 2, (81559 - 480) // 2, 3, 3], small,
         [small[0], "MIG-", 3, *small[3:]], 6, 6, 6, 6],
        [],
    ]  # fmt: skip


def test_a_handle_is_found_by_its_uuid_and_leads_to_its_gpu(node: Node) -> None:
    node.gpusim("mig", "--gpu", "2", "7g.80gb")
    answer = ask(
        node,
        """
mig = n.nvmlDeviceGetMigDeviceHandleByIndex(gpu(2), 0)
again = n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(mig))
parent = n.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(again)
kinds = [n.nvmlDeviceIsMigDeviceHandle(h) for h in (again, parent)]
answer = [kinds[0].value, kinds[1].value, n.nvmlDeviceGetIndex(parent),
          error(n.nvmlDeviceGetTemperature, mig, 0), error(n.nvmlDeviceGetGpuInstanceId, parent),
          error(n.nvmlDeviceGetAttributes, parent), error(n.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, parent),
          error(n.nvmlDeviceGetMigDeviceHandleByIndex, gpu(2), 7)]
""",
    )
    assert answer == [1, 0, 2, 2, 3, 3, 2, 2], "most calls are for whole GPUs only"


def test_what_ends_mig_devices(node: Node) -> None:
    """A reset keeps the mode and drops the devices; so does switching the mode off and on again."""
    node.gpusim("mig", "--gpu", "0", "2g.20gb")
    node.gpusim("reset", "--gpu", "0")
    assert ask(node, "answer = [n.nvmlDeviceGetMigMode(gpu(0))[0], devices(0)]") == [1, [6] * 7]
    node.gpusim("mig", "--gpu", "0", "2g.20gb")
    switched = "n.nvmlDeviceSetMigMode(gpu(0), 0); n.nvmlDeviceSetMigMode(gpu(0), 1); answer = devices(0)"
    assert ask(node, switched) == [6] * 7
    node.gpusim("mig", "--gpu", "0", "1g.10gb")
    assert node.gpusim("mig", "--gpu", "0") == "GPU 0: MIG is off\n"
    assert ask(node, "answer = [n.nvmlDeviceGetMigMode(gpu(0)), devices(0)]") == [[0, 0], []]


def test_a_handle_of_a_device_that_is_gone(node: Node) -> None:
    node.gpusim("mig", "--gpu", "0", "1g.10gb")
    code = """
import os, subprocess
mig = n.nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0)
subprocess.run([sys.executable, os.environ["GPUSIM"], "mig", "--gpu", "0"], check=True, capture_output=True)
answer = [error(call, mig) for call in (n.nvmlDeviceGetUUID, n.nvmlDeviceGetName, n.nvmlDeviceGetMemoryInfo,
                                        n.nvmlDeviceGetGpuInstanceId, n.nvmlDeviceGetAttributes)]
"""
    assert ask(node, code) == [6] * 5


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--gpu", "0", "1g.5gb"], 2, "this model has 1g.10gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb"),
        (["--gpu", "0", "4g.40gb", "4g.40gb"], 3, "8 of 7 slices"),
        (["--gpu", "0", "3g.40gb", "3g.40gb", "1g.10gb"], 3, "do not fit"),
        (["--gpu", "9", "1g.10gb"], 2, "there is no GPU 9"),
    ],
)
def test_what_cannot_be(node: Node, arguments: list[str], status: int, text: str) -> None:
    before = node.state.read_text()
    assert text in node.gpusim("mig", *arguments, status=status)
    assert node.state.read_text() == before


def test_a_gpu_in_use_and_a_model_without_mig(node: Node) -> None:
    node.gpusim("set", "--gpu", "0", "processes=7:1")
    assert "in use" in node.gpusim("mig", "--gpu", "0", "1g.10gb", status=3)
    node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "1", "--node", "n1")
    assert "no MIG" in node.gpusim("mig", "--gpu", "0", "1g.10gb", status=3)


@pytest.mark.parametrize(
    "entry",
    ["1", "1:0:1g.10gb", "1:0:1g.10gb:5:", "1:0:1g.10gb:5:MIG-1:6", "x:0:1g.10gb:5:MIG-1", ",", "1:0:" + "x" * 300,
     "1:0:" + "x" * 40 + ":5:MIG-1", "1:0:1g.10gb:5:" + "M" * 90],
)  # fmt: skip
def test_a_malformed_list_is_an_error(node: Node, entry: str) -> None:
    node.gpusim("set", "--gpu", "0", "mig_mode_current=1", f"mig_devices={entry}")
    assert node.ask("answer = error(n.nvmlDeviceGetMigDeviceHandleByIndex, gpu(0), 0)") == 999


def test_more_devices_than_a_gpu_can_have_are_not_counted(node: Node) -> None:
    node.gpusim("set", "--gpu", "0", "mig_mode_current=1", "mig_devices=" + ",".join(["1:0:1g.10gb:5:MIG-1"] * 9))
    assert ask(node, "answer = len(devices(0))") == 7
