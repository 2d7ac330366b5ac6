# Readers never see a half-written state, and no writer's change is lost.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from conftest import Node

READER = """
import os, threading, time
stop = threading.Event()
torn, errors, reads = [], [], [0]
handles = [gpu(i) for i in range(4)]
def read(h):
    while not stop.is_set():
        try:
            memory = n.nvmlDeviceGetMemoryInfo(h, version=n.nvmlMemory_v2)
            rates = n.nvmlDeviceGetUtilizationRates(h)
        except n.NVMLError as problem:
            errors.append(problem.value)
            continue
        reads[0] += 1
        # the writer always sets used = 1000 * step and utilisation gpu = memory = step % 100
        whole = memory.used + memory.free + memory.reserved == memory.total
        if memory.used % 1000 or not whole or rates.gpu != rates.memory:
            torn.append([memory.used, rates.gpu, rates.memory])
        time.sleep(0.001)
threads = [threading.Thread(target=read, args=(h,)) for h in handles[:2]]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
stop.set()
for thread in threads:
    thread.join()
answer = {"torn": torn[:3], "errors": errors[:3], "reads": reads[0]}
"""


def test_readers_during_200_rewrites(node: Node) -> None:
    readers = [
        subprocess.Popen(node.consumer(READER), env=node.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _round in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    with mock.patch.dict(os.environ, {"GPUSIM_STATE": str(node.state)}):
        for step in range(200):
            with node.command.locked():
                state = node.command.State.read()
                for slot in range(state.slots):
                    state.put("memory_used", 1000 * step, slot)
                    state.put("utilization_gpu", step % 100, slot)
                    state.put("utilization_memory", step % 100, slot)
                state.write()
    for reader in readers:
        output, _errors = reader.communicate("stop\n", timeout=60)
        answer = json.loads(output)
        assert answer["torn"] == [] and answer["errors"] == []
        assert answer["reads"] > 100
    assert node.entry("memory_used", 3) == "199000"


def test_no_change_of_concurrent_writers_is_lost(node: Node) -> None:
    """Two programs set GPUs through NVML while the command injects a fault: every change is in the end there."""
    code = """
        first = int(sys.argv[1])
        for step in range(40):
            for index in (first, first + 1):
                n.nvmlDeviceSetPowerManagementLimit(gpu(index), 200000 + 1000 * first + step)
        answer = None
    """
    writers = [
        subprocess.Popen([*node.consumer(code), str(first)], env=node.env, stdout=subprocess.PIPE) for first in (0, 2)
    ]
    for _round in range(5):
        node.gpusim("inject", "xid94", "--gpu", "1")
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert [node.entry("power_limit", i) for i in range(4)] == ["200039", "200039", "202039", "202039"]
    assert node.entry("ecc_uncorrected_aggregate_dram", 1) == "5"
    assert len(node.xid_lines()) == 5
