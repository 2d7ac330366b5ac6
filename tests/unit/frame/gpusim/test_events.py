# Event sets: a waiting program gets the XID of a fault that is injected meanwhile, and only that.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Node

START = """
import os, subprocess, time
def inject(*arguments):
    subprocess.run([sys.executable, os.environ["GPUSIM"], "inject", *arguments], check=True, stdout=subprocess.DEVNULL)
def wait(events, milliseconds=50):
    try:
        found = n.nvmlEventSetWait_v2(events, milliseconds)
    except n.NVMLError as problem:
        return -problem.value
    return [found.eventType, found.eventData, n.nvmlDeviceGetIndex(found.device)]
"""


def test_only_what_happens_after_the_creation_and_is_registered_for(node: Node) -> None:
    node.gpusim("inject", "xid13", "--gpu", "0")
    answer = node.ask(
        START
        + """
events = n.nvmlEventSetCreate()
everything = n.nvmlDeviceGetSupportedEventTypes(gpu(0))
n.nvmlDeviceRegisterEvents(gpu(0), n.nvmlEventTypeXidCriticalError, events)
n.nvmlDeviceRegisterEvents(gpu(1), everything, events)
answer = [wait(events)]
inject("xid48", "--gpu", "0"); inject("xid48", "--gpu", "1"); inject("xid94", "--gpu", "2"); inject("ecc", "--gpu", "1")
answer += [wait(events) for _ in range(5)]
n.nvmlEventSetFree(events)
"""
    )
    assert answer == [-10, [8, 48, 0], [2, 0, 1], [8, 48, 1], [1, 0, 1], -10]


def test_a_waiting_program_is_woken(node: Node) -> None:
    code = (
        START
        + """
events = n.nvmlEventSetCreate()
n.nvmlDeviceRegisterEvents(gpu(0), n.nvmlEventTypeXidCriticalError, events)
print("ready", flush=True)
start = time.monotonic()
answer = [wait(events, 20000), time.monotonic() - start]
"""
    )
    with subprocess.Popen(node.consumer(code), env=node.env, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        node.gpusim("inject", "xid63", "--gpu", "0")
        found = waiting.stdout.readline()
    assert found.startswith("[[8, 63, 0], "), found
    assert float(found.split(",")[3].rstrip("]\n")) < 10


def test_two_sets_see_the_same_event_and_a_lost_gpu_is_told(node: Node) -> None:
    answer = node.ask(
        START
        + """
sets = [n.nvmlEventSetCreate() for _ in range(2)]
for events in sets:
    n.nvmlDeviceRegisterEvents(gpu(2), n.nvmlEventTypeXidCriticalError, events)
inject("xid79", "--gpu", "2")
answer = [wait(events) for events in sets] + [wait(events, 20) for events in sets]
"""
    )
    assert answer == [[8, 79, 2], [8, 79, 2], -15, -15]


def test_a_boot_starts_a_new_event_file(node: Node) -> None:
    answer = node.ask(
        START
        + """
events = n.nvmlEventSetCreate()
n.nvmlDeviceRegisterEvents(gpu(0), n.nvmlEventTypeXidCriticalError, events)
inject("xid13", "--gpu", "0")
first = wait(events)
subprocess.run([sys.executable, os.environ["GPUSIM"], "boot"], check=True, stdout=subprocess.DEVNULL)
inject("xid94", "--gpu", "0")
answer = [first, wait(events), wait(events)]
"""
    )
    assert answer == [[8, 13, 0], [8, 94, 0], -10]


def test_damaged_event_lines_are_skipped(node: Node) -> None:
    answer = node.ask(
        START
        + """
events = n.nvmlEventSetCreate()
n.nvmlDeviceRegisterEvents(gpu(0), n.nvmlEventTypeXidCriticalError, events)
with open(os.environ["GPUSIM_STATE"] + ".events", "ab") as stream:
    stream.write(b"rubbish\\n99 xid 79\\n-1 xid 79\\n0 nonsense 5\\n\\x00\\xff\\n" + b"9" * 5000)
    stream.write(b"\\n0 xid 31\\n0 xid 4")
first = [wait(events), wait(events)]
with open(os.environ["GPUSIM_STATE"] + ".events", "ab") as stream:
    stream.write(b"5\\n")  # the rest of the half-written line
answer = first + [wait(events)]
"""
    )
    assert answer == [[8, 31, 0], -10, [8, 45, 0]]
