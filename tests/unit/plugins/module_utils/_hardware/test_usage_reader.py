# Tests of taking snapshots: with psutil, without it, and with a part that cannot be read.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import usage_reader
from ansible_collections.aidc.ops.plugins.module_utils._hardware.usage_reader import ProcReader, PsutilReader, watch

STAT = """cpu  100 2 30 400 5 6 7 8 50 0
cpu0 50 1 15 200 5 3 3 4 0 0
cpu12 50 1 15 200 0 3 4 4 0 0
intr 12345 0 0
ctxt 99
"""
MEMINFO = """MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    8000000 kB
SwapTotal:       2000000 kB
SwapFree:        1500000 kB
HugePages_Total:       0
"""


class Clock:
    """Time that only passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Psutil:
    """Stands in for psutil: each reading of a counter finds it higher."""

    def __init__(self) -> None:
        self.readings = 0

    def cpu_times(self, percpu: bool = False) -> Any:
        self.readings += 1
        times = SimpleNamespace(user=float(self.readings), nice=0.0, system=0.0, idle=float(self.readings), iowait=0.0)
        return [times, times] if percpu else times

    def virtual_memory(self) -> Any:
        return SimpleNamespace(total=1000, available=400)

    def swap_memory(self) -> Any:
        return SimpleNamespace(total=0, free=0)

    def disk_io_counters(self, perdisk: bool, nowrap: bool) -> Any:
        counters = SimpleNamespace(
            read_bytes=1000 * self.readings, write_bytes=0, read_count=self.readings, write_count=0, busy_time=0
        )
        return dict.fromkeys(("sda", "sda1", "loop0", "gone"), counters)

    def net_io_counters(self, pernic: bool, nowrap: bool) -> Any:
        names = ("bytes_recv", "bytes_sent", "packets_recv", "packets_sent", "errin", "errout", "dropin", "dropout")
        counters = SimpleNamespace(**dict.fromkeys(names, 1000 * self.readings))
        return dict.fromkeys(("lo", "eth0", "veth1"), counters)

    def net_if_stats(self) -> Any:
        return {"eth0": SimpleNamespace(speed=1000), "lo": SimpleNamespace(speed=0)}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    for name in ("block/sda/device", "block/loop0", "class/net/eth0/device", "class/net/veth1", "class/net/lo"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def run(reader: Any, samples: int = 2) -> Any:
    clock = Clock()
    return watch(0.5, samples, reader=reader, clock=clock, sleep=clock.sleep)


def test_with_psutil_everything_is_measured(system: Path) -> None:
    found = run(PsutilReader(Psutil(), str(system)))
    assert (found["source"], found["duration_seconds"], found["problems"]) == ("psutil", 1.0, [])
    assert [disk["name"] for disk in found["disks"]] == ["sda"]
    # Two readings of the CPUs in each snapshot, so the counters rise by 2000 in half a second.
    assert found["disks"][0]["read_bytes_per_second"]["mean"] == 4000.0
    assert [(one["name"], one["speed_mbps"]) for one in found["networks"]] == [("eth0", 1000)]
    assert found["cpu"]["busy_percent"]["mean"] == 50.0
    assert [one["cpu"] for one in found["cpu"]["cpus"]] == [0, 1]
    assert found["memory"]["used_percent"]["mean"] == 60.0


def test_in_a_container_nothing_has_hardware_and_all_counts(system: Path) -> None:
    (system / "class/net/eth0/device").rmdir()
    (system / "block/sda/device").rmdir()
    found = run(PsutilReader(Psutil(), str(system)))
    assert [one["name"] for one in found["networks"]] == ["eth0", "veth1"]
    assert [one["name"] for one in found["disks"]] == ["loop0", "sda"]


def test_a_part_that_psutil_cannot_read_costs_only_itself(system: Path) -> None:
    psutil = Psutil()
    psutil.disk_io_counters = None  # type: ignore[assignment, method-assign]
    psutil.net_if_stats = None  # type: ignore[assignment, method-assign]
    found = run(PsutilReader(psutil, str(system)), samples=3)
    assert found["disks"] is None and found["networks"][0]["speed_mbps"] is None
    (problem,) = found["problems"]
    assert problem["part"] == "disks" and problem["message"].startswith("cannot be read: TypeError: ")


def test_psutil_without_any_device_is_an_empty_answer(system: Path) -> None:
    psutil = Psutil()
    psutil.disk_io_counters = lambda perdisk, nowrap: None  # type: ignore[method-assign]
    psutil.net_io_counters = lambda pernic, nowrap: {}  # type: ignore[method-assign]
    found = run(PsutilReader(psutil, str(system)))
    assert (found["disks"], found["networks"], found["problems"]) == ([], [], [])


def test_without_psutil_processors_and_memory_are_measured() -> None:
    texts = {"/proc/stat": STAT, "/proc/meminfo": MEMINFO}
    found = run(ProcReader(texts.__getitem__))
    assert (found["source"], found["disks"], found["networks"]) == ("procfs", None, None)
    assert [problem["part"] for problem in found["problems"]] == ["disks", "networks"]
    assert "psutil is missing for" in found["problems"][0]["message"]
    assert "/opt/aidc_ops/node/bin/python" in found["problems"][0]["message"]
    assert found["memory"]["used_percent"]["mean"] == 50.0
    assert found["memory"]["swap_used_bytes"]["mean"] == 500000 * 1024


def test_proc_stat() -> None:
    found = usage_reader.parse_stat(STAT, 100.0)
    assert list(found) == ["total", "0", "12"]
    assert found["total"] == {
        "user": 1.0,
        "nice": 0.02,
        "system": 0.3,
        "idle": 4.0,
        "iowait": 0.05,
        "irq": 0.06,
        "softirq": 0.07,
        "steal": 0.08,
    }


@pytest.mark.parametrize("text", ["", "\n\n", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h", "\ufffd" * 9])
def test_a_stat_that_is_none(text: str) -> None:
    found = run(ProcReader({"/proc/stat": text, "/proc/meminfo": MEMINFO}.__getitem__))
    assert found["cpu"] is None
    assert found["problems"][0]["part"] == "cpu" and "ValueError" in found["problems"][0]["message"]


@pytest.mark.parametrize("text", ["", "MemTotal: x kB", "MemTotal: 5", MEMINFO.replace("MemAvailable", "Mem{{ 7 }}")])
def test_a_meminfo_that_is_none(text: str) -> None:
    found = run(ProcReader({"/proc/stat": STAT, "/proc/meminfo": text}.__getitem__))
    assert found["memory"] is None and found["cpu"] is not None
    assert "ValueError" in found["problems"][0]["message"]


def test_the_reader_depends_on_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "psutil":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    assert usage_reader.choose_reader().source == "psutil"
    monkeypatch.setattr(builtins, "__import__", without)
    assert usage_reader.choose_reader().source == "procfs"


def test_samples_keep_to_the_clock_though_reading_takes_time(system: Path) -> None:
    clock = Clock()

    class Slow(PsutilReader):
        def memory(self) -> Any:
            clock.sleep(0.2)
            return super().memory()

    found = watch(0.5, 4, reader=Slow(Psutil(), str(system)), clock=clock, sleep=clock.sleep)
    assert found["duration_seconds"] == 2.0


def test_this_machine() -> None:
    found = watch(0.05, 2)
    assert found["source"] == "psutil" and found["problems"] == []
    assert found["cpu"]["cpus"] and found["memory"]["total_bytes"] > 0
