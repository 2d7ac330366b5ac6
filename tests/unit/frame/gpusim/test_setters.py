# Setters of NVML change the state as a real driver would, within its limits.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Node


def test_power_limit_keeps_to_the_range(node: Node) -> None:
    answer = node.ask(
        """
        h = gpu(1)
        codes = [error(n.nvmlDeviceSetPowerManagementLimit, h, milliwatts)
                 for milliwatts in (199999, 200000, 700000, 700001, 350000)]
        power = n.c_nvmlPowerValue_v2_t(version=n.nvmlPowerValue_v2, powerScope=1, powerValueMw=300000)
        second = n._nvmlGetFunctionPointer("nvmlDeviceSetPowerManagementLimit_v2")
        module = second(h, n.byref(power))
        power.powerScope = 0
        codes += [module, second(h, n.byref(power))]
        power.version = 1
        answer = codes + [second(h, n.byref(power)), n.nvmlDeviceGetPowerManagementLimit(h)]
        """
    )
    assert answer == [2, 0, 0, 2, 0, 3, 0, 25, 300000]
    assert node.entry("power_limit", 1) == "300000"
    assert node.entry("power_limit", 0) == "700000", "the other GPUs keep their limit"


def test_modes(node: Node) -> None:
    answer = node.ask(
        """
        h = gpu(0)
        n.nvmlDeviceSetPersistenceMode(h, 1)
        n.nvmlDeviceSetComputeMode(h, 3)
        n.nvmlDeviceSetEccMode(h, 0)
        answer = [n.nvmlDeviceGetPersistenceMode(h), n.nvmlDeviceGetComputeMode(h), n.nvmlDeviceGetEccMode(h),
                  error(n.nvmlDeviceSetPersistenceMode, h, 7), error(n.nvmlDeviceSetComputeMode, h, 1)]
        """
    )
    assert answer == [1, 3, [1, 0], 2, 2], "ECC changes with the next reset only"
    node.gpusim("reset", "--gpu", "0")
    after = node.ask(
        "h = gpu(0); answer = [n.nvmlDeviceGetEccMode(h), error(n.nvmlDeviceGetTotalEccErrors, h, 1, 0),"
        " n.nvmlDeviceGetPersistenceMode(h)]"
    )
    assert after == [[0, 0], 3, 1], "without ECC there are no counters; a reset keeps the persistence mode"


def test_ecc_counters_are_cleared_one_kind_at_a_time(node: Node) -> None:
    parts = itertools.product(("corrected", "uncorrected"), ("volatile", "aggregate"), ("dram", "sram"))
    node.gpusim("set", "--gpu", "0", *["ecc_{}_{}_{}=9".format(*part) for part in parts])
    answer = node.ask(
        """
        h = gpu(0)
        def totals():
            return [n.nvmlDeviceGetTotalEccErrors(h, kind, counter) for kind in (0, 1) for counter in (0, 1)]
        n.nvmlDeviceClearEccErrorCounts(h, 0)
        first = totals()
        n.nvmlDeviceClearEccErrorCounts(h, 1)
        answer = [first, totals(), error(n.nvmlDeviceClearEccErrorCounts, h, 2)]
        """
    )
    assert answer == [[0, 18, 0, 18], [0, 0, 0, 0], 2]


def test_mig_mode_waits_while_the_gpu_is_in_use(node: Node) -> None:
    node.gpusim("set", "--gpu", "1", "processes=7:1")
    answer = node.ask(
        """
        idle, busy = gpu(0), gpu(1)
        codes = [n.nvmlDeviceSetMigMode(idle, 1), n.nvmlDeviceSetMigMode(busy, 1)]
        codes += [n.nvmlDeviceGetMigMode(idle), n.nvmlDeviceGetMigMode(busy)]
        answer = codes + [n.nvmlDeviceGetMaxMigDeviceCount(idle)]
        """
    )
    assert answer == [0, 19, [1, 1], [0, 1], 7]
    node.gpusim("set", "--gpu", "1", "processes=")
    node.gpusim("reset", "--gpu", "1")
    assert node.ask("answer = n.nvmlDeviceGetMigMode(gpu(1))") == [1, 1]


def test_a_reboot_ends_mig_mode_on_hopper_but_not_on_ampere(bare_node: Node) -> None:
    found = {}
    for model in ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"):
        bare_node.gpusim("init", "--model", model, "--gpus", "1", "--node", "n1")
        bare_node.ask("answer = n.nvmlDeviceSetMigMode(gpu(0), 1)")
        bare_node.gpusim("boot")
        found[model] = bare_node.ask("answer = n.nvmlDeviceGetMigMode(gpu(0))")
    assert found == {"NVIDIA H100 80GB HBM3": [0, 0], "NVIDIA A100-SXM4-80GB": [1, 1]}


def test_clocks(node: Node) -> None:
    node.gpusim("set", "--gpu", "0", "clock_graphics=1900", "clock_sm=1900")
    answer = node.ask(
        """
        h = gpu(0)
        def clocks():
            return [n.nvmlDeviceGetClockInfo(h, kind) for kind in range(3)]
        codes = [error(n.nvmlDeviceSetGpuLockedClocks, h, *pair) for pair in ((1500, 1200), (9000, 9000))]
        n.nvmlDeviceSetGpuLockedClocks(h, 1200, 1500); locked = clocks()
        n.nvmlDeviceSetMemoryLockedClocks(h, 1593, 1593); memory = clocks()
        n.nvmlDeviceResetGpuLockedClocks(h); n.nvmlDeviceResetMemoryLockedClocks(h); free = clocks()
        codes += [error(n.nvmlDeviceSetApplicationsClocks, h, *pair) for pair in ((2619, 1965), (2619, 1), (1, 1965))]
        application = n.nvmlDeviceGetApplicationsClock(h, 0)
        n.nvmlDeviceResetApplicationsClocks(h)
        answer = [codes, locked, memory, free, application, n.nvmlDeviceGetApplicationsClock(h, 0)]
        """
    )
    assert answer == [[2, 2, 0, 2, 2], [1500, 1500, 2619], [1500, 1500, 1593], [1900, 1900, 2619], 1965, 1980]


def test_setters_keep_comments_and_the_rest_of_the_file(node: Node) -> None:
    before = "# a note\n" + node.state.read_text()
    node.state.write_text(before)
    node.ask("answer = n.nvmlDeviceSetPersistenceMode(gpu(2), 1)")
    after = node.state.read_text()
    assert sorted(set(before.splitlines()) ^ set(after.splitlines())) == [
        "persistence_mode.2=0",
        "persistence_mode.2=1",
    ]
    assert after.endswith("end=1\n")
    assert list(node.folder.glob("state.*[!s]")) == [node.folder / "state.lock"], "no temporary file is left"


def test_setters_of_things_the_model_lacks(bare_node: Node) -> None:
    bare_node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "1", "--node", "n1")
    assert bare_node.ask("answer = error(n.nvmlDeviceSetMigMode, gpu(0), 1)") == 3


def test_refusal_that_the_state_asks_for(node: Node) -> None:
    node.gpusim("inject", "no-permission")
    answer = node.ask(
        "h = gpu(0); answer = [error(n.nvmlDeviceSetPersistenceMode, h, 1),"
        " error(n.nvmlDeviceSetPowerManagementLimit, h, 300000), n.nvmlDeviceGetPersistenceMode(h)]"
    )
    assert answer == [4, 4, 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_may_read_but_not_set(node: Node) -> None:
    """As with a real driver: the file's permissions are root's."""
    for folder in (node.folder, *node.folder.parents):
        if not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder.name.startswith("pytest-of-"):
            break
    for folder in (node.library, node.library.parent):
        folder.chmod(0o755)
    code = """
import ctypes, os
os.setgid(65534); os.setuid(65534)
library = ctypes.CDLL("libnvidia-ml.so.1")
handle, mode = ctypes.c_void_p(), ctypes.c_uint()
assert library.nvmlInit_v2() == 0
assert library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0
print(library.nvmlDeviceGetPersistenceMode(handle, ctypes.byref(mode)), library.nvmlDeviceSetPersistenceMode(handle, 1))
"""
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", code], env=node.env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["0", "4"], done.stderr
