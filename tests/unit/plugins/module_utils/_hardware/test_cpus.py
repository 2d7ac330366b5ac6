# Tests of reading the processors.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import cpus
from ansible_collections.aidc.ops.plugins.module_utils._hardware.sysfs import Unreadable

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
Lay = Callable[[Mapping[str, Any]], str]
# A populated socket with the name "Grace A02", and the end of the table.
SOCKET = bytes([4, 0x1A, 0, 0]) + bytes(12) + b"\1" + bytes(7) + b"\x41\0" + b"Grace A02\0\0"
FIRMWARE = SOCKET + b"\x7f\x04\0\0\0\0"


def block(thread: int, socket: int, core: int) -> str:
    common = "model name\t: Xeon\nmicrocode\t: 0x2b\n"
    return f"processor\t: {thread}\n{common}physical id\t: {socket}\ncore id\t\t: {core}\n\n"


def topology(threads: int, sockets: int, old_names: bool = False) -> dict[str, str]:
    """Files of a machine with two threads on each core."""
    names = ("thread_siblings_list", "core_siblings_list") if old_names else ("core_cpus_list", "package_cpus_list")
    files = {}
    cores = threads // 2
    for thread in range(threads):
        core = thread % cores
        socket = core * sockets // cores
        mine = [other for other in range(threads) if other % cores * sockets // cores == socket]
        folder = f"{CPU}/cpu{thread}/topology"
        files[f"{folder}/physical_package_id"] = f"{socket}\n"
        files[f"{folder}/{names[0]}"] = f"{core},{core + cores}\n"
        files[f"{folder}/{names[1]}"] = ",".join(map(str, mine)) + "\n"
    return files


@pytest.mark.parametrize("old_names", [False, True])
def test_two_sockets(lay: Lay, reports: Any, old_names: bool) -> None:
    files = {"proc/cpuinfo": "".join(block(n, n % 4 // 2, n % 2) for n in range(8)), **topology(8, 2, old_names)}
    files.update({f"{NODE}/node0/cpulist": "0-1,4-5\n", f"{NODE}/node1/cpulist": "2-3,6-7\n"})
    files[f"{NODE}/node2/cpulist"] = "\n"
    files[f"{CPU}/cpu2/cpufreq/cpuinfo_max_freq"] = "3800000\n"
    same = {"model": "Xeon", "cores": 2, "threads": 4, "microcode": "0x2b"}
    assert cpus.read_cpus(lay(files), reports) == [
        {"socket": 0, **same, "max_mhz": None, "numa_nodes": [0]},
        {"socket": 1, **same, "max_mhz": 3800.0, "numa_nodes": [1]},
    ]


def test_recorded_virtual_machine(recorded: Callable[[str], str], reports: Any) -> None:
    (cpu,) = cpus.read_cpus(recorded("virtual_machine"), reports)
    assert (cpu["model"], cpu["cores"], cpu["threads"], cpu["numa_nodes"]) == ("AMD EPYC", 2, 2, [0])


def test_without_topology_cpuinfo_tells(lay: Lay, reports: Any) -> None:
    found = cpus.read_cpus(lay({"proc/cpuinfo": "".join(block(n, n // 4, n % 2) for n in range(8))}), reports)
    assert [(cpu["socket"], cpu["cores"], cpu["threads"], cpu["numa_nodes"]) for cpu in found] == [
        (0, 2, 4, None),
        (1, 2, 4, None),
    ]


def test_arm_takes_its_name_from_the_firmware(recorded: Callable[[str], str], lay: Lay, reports: Any) -> None:
    recorded("grace")
    (cpu,) = cpus.read_cpus(lay({"sys/firmware/dmi/tables/DMI": FIRMWARE}), reports)
    assert (cpu["socket"], cpu["model"], cpu["cores"], cpu["threads"]) == (0, "Grace A02", None, 2)


@pytest.mark.parametrize("firmware", [b"", FIRMWARE[:20], SOCKET + FIRMWARE.replace(b"A02", b"A03")])
def test_arm_without_one_name_has_none(recorded: Callable[[str], str], lay: Lay, reports: Any, firmware: bytes) -> None:
    recorded("grace")
    (cpu,) = cpus.read_cpus(lay({"sys/firmware/dmi/tables/DMI": firmware}), reports)
    assert cpu["model"] is None


def test_sockets_that_the_kernel_does_not_number_count_as_one(
    recorded: Callable[[str], str], lay: Lay, reports: Any
) -> None:
    recorded("grace")
    files = {f"{CPU}/cpu{n}/topology/physical_package_id": "-1\n" for n in (0, 1)}
    (cpu,) = cpus.read_cpus(lay(files), reports)
    assert (cpu["socket"], cpu["cores"], cpu["threads"]) == (0, 2, 2)


def test_lists_that_are_none_leave_each_thread_alone(lay: Lay, reports: Any) -> None:
    files = topology(2, 1)
    files.update({name: "{{ x }}\n" for name in files if name.endswith("_list")})
    (cpu,) = cpus.read_cpus(lay({"proc/cpuinfo": block(0, 0, 0) + block(1, 0, 0), **files}), reports)
    assert (cpu["cores"], cpu["threads"]) == (2, 2)


@pytest.mark.parametrize("text", ["", "processor\t: x\nmodel name: a\n", "\0" * 100, "Hardware\t: BCM\n"])
def test_cpuinfo_without_a_processor_is_unreadable(lay: Lay, reports: Any, text: str) -> None:
    with pytest.raises(Unreadable, match="names no processor"):
        cpus.read_cpus(lay({"proc/cpuinfo": text}), reports)


def test_text_before_and_behind_the_blocks_is_skipped() -> None:
    lines = [
        "Hardware: x",
        "processor: 0",
        "model name: a",
        "model name: b",
        "nothing",
        "processor: y",
        "model name: c",
    ]
    assert cpus.parse_cpuinfo(lines) == {0: {"model name": "a"}}
