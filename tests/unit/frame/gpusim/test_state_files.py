# Damaged, half-written, huge and hostile state files give an NVML error, never a crash or a wrong value.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Builder, Node

GOOD = b"gpusim=1\ngpus=2\nname=X\nuuid.0=GPU-a\nbus_id=00000000:01:00.0\ntemperature_gpu=40\nend=1\n"

# A file, and what nvmlInit answers for it.
FILES: dict[str, tuple[bytes, int]] = {
    "good": (GOOD, 0),
    "comments and empty lines": (b"# note\n\n" + GOOD, 0),
    "no GPUs at all": (b"gpusim=1\ngpus=0\nend=1\n", 0),
    "empty": (b"", 999),
    "half of it": (GOOD[: len(GOOD) // 2], 999),
    "end mark without line feed": (GOOD[:-1], 999),
    "without the end mark": (GOOD.replace(b"end=1\n", b""), 999),
    "without the first mark": (GOOD.replace(b"gpusim=1\n", b""), 999),
    "marks in the wrong order": (b"end=1\n" + GOOD.replace(b"end=1\n", b""), 999),
    "text behind the end mark": (GOOD + b"name.1=Y\n", 999),
    "version of tomorrow": (GOOD.replace(b"gpusim=1", b"gpusim=2"), 999),
    "17 GPUs": (GOOD.replace(b"gpus=2", b"gpus=17"), 999),
    "minus one GPU": (GOOD.replace(b"gpus=2", b"gpus=-1"), 999),
    "GPUs in words": (GOOD.replace(b"gpus=2", b"gpus=two"), 999),
    "number of GPUs missing": (GOOD.replace(b"gpus=2\n", b""), 999),
    "the same key twice": (GOOD.replace(b"name=X\n", b"name=X\nname=Y\n"), 999),
    "key of no slot": (GOOD.replace(b"uuid.0", b"uuid.16"), 999),
    "key with a sign": (GOOD.replace(b"uuid.0", b"uuid.-1"), 999),
    "key with blanks": (GOOD.replace(b"uuid.0", b" uuid.0"), 999),
    "key with capitals": (GOOD.replace(b"uuid.0", b"UUID.0"), 999),
    "very long key": (GOOD.replace(b"uuid.0", b"u" * 100), 999),
    "line without equals": (GOOD.replace(b"name=X\n", b"name\n"), 999),
    "NUL in a value": (GOOD.replace(b"name=X", b"name=X\0Y"), 999),
    "control character in a value": (GOOD.replace(b"name=X", b"name=X\x1b[31m"), 999),
    "carriage returns": (GOOD.replace(b"\n", b"\r\n"), 999),
    "very long line": (GOOD.replace(b"name=X", b"name=" + b"X" * 5000), 999),
    "too many entries": (GOOD.replace(b"name=X\n", b"".join(b"k%d=1\n" % i for i in range(9000))), 999),
    "huge": (b"gpusim=1\n" + b"# padding\n" * 200_000 + b"end=1\n", 999),
    "random bytes": (random.Random(7).randbytes(5000), 999),
}


def write(node: Node, content: bytes) -> None:
    node.state.write_bytes(content)


def test_whole_files_and_damaged_ones(node: Node) -> None:
    """One program meets every file in turn, as a program that runs on while somebody edits the file."""
    folder = node.folder / "files"
    folder.mkdir()
    for name, (content, _code) in FILES.items():
        (folder / name).write_bytes(content)
    answer = node.ask(
        f"""
        import os
        answer = {{}}
        for name in {list(FILES)}:
            os.environ["GPUSIM_STATE"] = {str(folder)!r} + "/" + name
            n.nvmlLib = None
            answer[name] = error(n.nvmlInit)
        """,
        init=False,
    )
    assert answer == {name: code for name, (_content, code) in FILES.items()}


def test_no_regular_file(node: Node) -> None:
    node.state.unlink()
    assert node.ask("answer = error(n.nvmlInit)", init=False) == 9, "no state: the driver is not loaded"
    os.mkfifo(node.state)
    assert node.ask("answer = error(n.nvmlInit)", init=False) == 999, "a pipe does not hang the caller"
    node.state.unlink()
    node.state.mkdir()
    assert node.ask("answer = error(n.nvmlInit)", init=False) == 999


@pytest.mark.parametrize(
    ("entry", "call", "code"),
    [
        ("temperature_gpu=-1", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("temperature_gpu=", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("temperature_gpu=hot", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("temperature_gpu=4294967296", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("energy=99999999999999999999999", "n.nvmlDeviceGetTotalEnergyConsumption, h", 999),
        ("temperature_gpu=!", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("temperature_gpu=!-5", "n.nvmlDeviceGetTemperature, h, 0", 999),
        ("memory_used=99999999999999", "n.nvmlDeviceGetMemoryInfo, h", 999),
        ("bus_id=nowhere", "n.nvmlDeviceGetPciInfo, h", 999),
        ("bus_id=00000000:01:00.0" + "0" * 90, "n.nvmlDeviceGetPciInfo, h", 999),
        ("cuda_capability=nine", "n.nvmlDeviceGetCudaComputeCapability, h", 999),
        ("remap_banks=1,2", "n.nvmlDeviceGetRowRemapperHistogram, h", 999),
        ("nvlink_remote_bus_id=nowhere", "n.nvmlDeviceGetNvLinkRemotePciInfo, h, 0", 999),
        ("nvlink_remote_bus_id=" + "0" * 40, "n.nvmlDeviceGetNvLinkRemotePciInfo, h, 0", 999),
        ("nvlink_remote_bus_id=,,,", "n.nvmlDeviceGetNvLinkRemotePciInfo, h, 2", 999),
        ("nvlink_remote_type=switch", "n.nvmlDeviceGetNvLinkRemoteDeviceType, h, 0", 999),
        ("numa_node=-1", "n.nvmlDeviceGetMemoryAffinity, h, 1, 0", 999),
        ("nvlink_count=4000", "n.nvmlDeviceGetNvLinkState, h, 0", 999),
        ("processes=4242", "n.nvmlDeviceGetComputeRunningProcesses, h", 999),
        ("processes=-1:5", "n.nvmlDeviceGetComputeRunningProcesses, h", 999),
        ("processes=99999999999:5", "n.nvmlDeviceGetComputeRunningProcesses, h", 999),
        ("processes=1:2:" + "x" * 200, "n.nvmlDeviceGetComputeRunningProcesses, h", 999),
        ("processes=" + ",".join(f"{i}:1" for i in range(1, 66)), "n.nvmlDeviceGetComputeRunningProcesses, h", 999),
        ("uuid=" + "G" * 200, "n.nvmlDeviceGetUUID, h", 7),
        ("clock_graphics_min=5000", "n.nvmlDeviceGetSupportedGraphicsClocks, h, 2619", 999),
    ],
)
def test_values_that_make_no_sense(node: Node, entry: str, call: str, code: int) -> None:
    node.gpusim("set", "--gpu", "0", entry)
    assert node.ask(f"h = gpu(0); answer = error({call})") == code


def test_a_file_that_is_damaged_while_a_program_runs(node: Node) -> None:
    """Errors while it is damaged, right values when it is whole again, and no setter writes into a damaged one."""
    answer = node.ask(
        """
        import os
        path = os.environ["GPUSIM_STATE"]
        whole = open(path).read()
        h = gpu(0)
        def temperature():
            return error(n.nvmlDeviceGetTemperature, h, 0)
        answer = [temperature()]
        open(path, "w").write(whole[:500])
        answer += [temperature(), error(n.nvmlDeviceSetPersistenceMode, h, 1), open(path).read() == whole[:500]]
        os.unlink(path)
        answer += [temperature(), error(n.nvmlDeviceSetPersistenceMode, h, 1), os.path.exists(path)]
        open(path, "w").write(whole)
        answer += [temperature()]
        """
    )
    assert answer == [0, 999, 999, True, 9, 9, False, 0]


def test_commands_refuse_a_damaged_file(node: Node) -> None:
    write(node, GOOD.replace(b"end=1\n", b""))
    for command in (["boot"], ["show"], ["reset", "--gpu", "0"], ["set", "name=Y"], ["inject", "xid79", "--gpu", "0"]):
        assert "not whole" in node.gpusim(*command, status=1)
    assert node.state.read_bytes() == GOOD.replace(b"end=1\n", b"")


SANITIZED = """
import ctypes, os, sys
library = ctypes.CDLL("libnvidia-ml.so.1")
buffer = ctypes.create_string_buffer(1 << 16)
names = sys.argv[2].split(",")
for name in sorted(os.listdir(sys.argv[1])):
    os.environ["GPUSIM_STATE"] = os.path.join(sys.argv[1], name)
    code = library.nvmlInit_v2()
    handle = ctypes.c_void_p()
    opened = library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))
    for call in names:
        size = ctypes.c_uint(64)
        ctypes.memset(buffer, 0, len(buffer))
        getattr(library, call)(handle, buffer, size, buffer, buffer)
    for place in range(8):
        mig = ctypes.c_void_p()
        if library.nvmlDeviceGetMigDeviceHandleByIndex(handle, place, ctypes.byref(mig)) == 0:
            for call in ("nvmlDeviceGetName", "nvmlDeviceGetUUID"):
                getattr(library, call)(mig, buffer, ctypes.c_uint(96))
            for call in ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetAttributes_v2", "nvmlDeviceGetGpuInstanceId"):
                getattr(library, call)(mig, buffer)
    for link in range(18):
        library.nvmlDeviceGetNvLinkRemotePciInfo_v2(handle, link, buffer)
        library.nvmlDeviceGetNvLinkRemoteDeviceType(handle, link, buffer)
    library.nvmlDeviceGetMemoryAffinity(handle, 2, buffer, 0)
    values = (ctypes.c_ulonglong * 5 * 400)()
    for i in range(400):
        ctypes.cast(ctypes.byref(values[i]), ctypes.POINTER(ctypes.c_uint))[0] = i
    library.nvmlDeviceGetFieldValues(handle, 400, values)
    count = ctypes.c_uint(3)
    library.nvmlDeviceGetComputeRunningProcesses_v3(handle, ctypes.byref(count), buffer)
    events = ctypes.c_void_p()
    if library.nvmlEventSetCreate(ctypes.byref(events)) == 0:
        library.nvmlDeviceRegisterEvents(handle, ctypes.c_ulonglong(31), events)
        library.nvmlEventSetWait_v2(events, buffer, 0)
        library.nvmlEventSetFree(events)
    for _round in range(2):
        library.nvmlDeviceSetPersistenceMode(handle, 1)
        library.nvmlDeviceSetPowerManagementLimit(handle, 300000)
    print(name, code, opened)
    if code == 0:
        library.nvmlShutdown()
"""


def test_no_memory_error_with_the_sanitizers(node: Node, builder: Builder, tmp_path: Path) -> None:
    """The library built with the address and undefined-behaviour sanitizers meets every damaged file."""
    preload = []
    for name in ("libasan.so", "libubsan.so"):
        where = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        preload.append(where.stdout.strip())
    if not all(Path(p).is_absolute() for p in preload):
        pytest.skip("this compiler has no sanitizers")
    folder = builder(tmp_path / "sanitized", "SANITIZE=address,undefined", "CFLAGS=-O1")
    files = tmp_path / "files"
    files.mkdir()
    for name, (content, _code) in FILES.items():
        (files / name.replace(" ", "-")).write_bytes(content)
    node.gpusim("mig", "--gpu", "0", "3g.40gb", "1g.10gb")
    whole = node.state.read_bytes()
    (files / "whole").write_bytes(whole)
    (files / "whole.events").write_bytes(b"0 xid 79\n" + b"\x00\xff" * 4000 + b"\n" + b"0 xid 4")
    chance = random.Random(11)
    for number in range(150):
        broken = bytearray(whole)
        for _round in range(chance.randrange(1, 12)):
            place = chance.randrange(len(broken))
            broken[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        (files / f"fuzz-{number:03}").write_bytes(bytes(broken))
    calls = [
        "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetSerial", "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetRowRemapperHistogram",
        "nvmlDeviceGetPowerUsage", "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetBAR1MemoryInfo",
    ]  # fmt: skip
    program = tmp_path / "program.py"
    program.write_text(SANITIZED)
    done = subprocess.run(
        ["python3", str(program), str(files), ",".join(calls)],
        env={**node.env, "LD_LIBRARY_PATH": str(folder), "LD_PRELOAD": " ".join(preload),
             "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "runtime error" not in done.stderr
    codes = {line.rsplit(" ", 2)[0]: int(line.rsplit(" ", 2)[1]) for line in done.stdout.splitlines()}
    assert codes["whole"] == 0
    assert {name: codes[name.replace(" ", "-")] for name in FILES} == {name: code for name, (_c, code) in FILES.items()}
    assert json.dumps(sorted(set(codes.values()))) == "[0, 999]"
