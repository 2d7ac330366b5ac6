# Takes snapshots of the kernel's counters, with psutil or without it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With psutil everything is read. Without it processors and memory are, from two simple files of /proc."""

from __future__ import annotations

import os
import sys
import time
import typing as t

from .child import Progress
from .usage import CPU_TIMES, Snapshot, measure

_PROC_MEMORY = {
    "total_bytes": "MemTotal",
    "available_bytes": "MemAvailable",
    "swap_total_bytes": "SwapTotal",
    "swap_free_bytes": "SwapFree",
}
_DISK_FIELDS = {
    "read_bytes": "read_bytes",
    "write_bytes": "write_bytes",
    "reads": "read_count",
    "writes": "write_count",
    "busy_ms": "busy_time",
}
_NETWORK_FIELDS = {
    "receive_bytes": "bytes_recv",
    "transmit_bytes": "bytes_sent",
    "receive_packets": "packets_recv",
    "transmit_packets": "packets_sent",
    "receive_errors": "errin",
    "transmit_errors": "errout",
    "receive_drops": "dropin",
    "transmit_drops": "dropout",
}

Read = t.Callable[[str], str]
Problem = t.Dict[str, t.Any]


def read_file(path: str) -> str:
    """Return the text of a file of /proc."""
    with open(path, encoding="ascii", errors="replace") as handle:
        return handle.read()


def parse_stat(text: str, ticks: float) -> dict[str, dict[str, float]]:
    """Return the times of all CPUs together and of each from /proc/stat; C(ticks) is how many make a second."""
    found = {}
    for line in text.splitlines():
        name, *fields = line.split() or [""]
        if name.startswith("cpu") and len(fields) >= len(CPU_TIMES):
            found[name[3:] or "total"] = {kind: int(field) / ticks for kind, field in zip(CPU_TIMES, fields)}
    if "total" not in found:
        raise ValueError("/proc/stat has no line for all CPUs")
    return found


def parse_meminfo(text: str) -> dict[str, float]:
    """Return the amounts of memory in bytes from /proc/meminfo."""
    found = {}
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if words:
            found[name] = words[0]
    try:
        return {field: float(int(found[name]) * 1024) for field, name in _PROC_MEMORY.items()}
    except KeyError as exc:
        raise ValueError(f"/proc/meminfo does not tell {exc}") from None


class ProcReader:
    """Reads without psutil."""

    source = "procfs"

    def __init__(self, read: Read = read_file) -> None:
        self._read = read
        self._ticks = float(os.sysconf("SC_CLK_TCK"))

    def cpus(self) -> t.Any:
        return parse_stat(self._read("/proc/stat"), self._ticks)

    def memory(self) -> t.Any:
        return parse_meminfo(self._read("/proc/meminfo"))

    def disks(self) -> t.Any:
        raise NotImplementedError(_missing())

    def networks(self) -> t.Any:
        raise NotImplementedError(_missing())

    def speeds(self) -> dict[str, int | None]:
        return {}


class PsutilReader:
    """Reads with psutil, which is an argument so that tests hand in a stand-in."""

    source = "psutil"

    def __init__(self, psutil: t.Any, system: str = "/sys") -> None:
        self._psutil = psutil
        self._system = system

    def cpus(self) -> t.Any:
        every = [("total", self._psutil.cpu_times())]
        every += [(str(number), times) for number, times in enumerate(self._psutil.cpu_times(percpu=True))]
        return {name: {kind: getattr(times, kind, 0.0) for kind in CPU_TIMES} for name, times in every}

    def memory(self) -> t.Any:
        memory, swap = self._psutil.virtual_memory(), self._psutil.swap_memory()
        return {
            "total_bytes": memory.total,
            "available_bytes": memory.available,
            "swap_total_bytes": swap.total,
            "swap_free_bytes": swap.free,
        }

    def disks(self) -> t.Any:
        counters = self._psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        # Partitions are counted with their disks.
        names = set(counters) & set(os.listdir(os.path.join(self._system, "block")))
        return {name: _fields(counters[name], _DISK_FIELDS) for name in self._hardware("block", names)}

    def networks(self) -> t.Any:
        counters = self._psutil.net_io_counters(pernic=True, nowrap=False) or {}
        names = self._hardware("class/net", set(counters) - {"lo"})
        return {name: _fields(counters[name], _NETWORK_FIELDS) for name in names}

    def _hardware(self, kind: str, names: t.Collection[str]) -> t.Collection[str]:
        """Return the names that have a device behind them; all of them if none has, as in a container."""
        folder = os.path.join(self._system, kind)
        return [name for name in names if os.path.exists(os.path.join(folder, name, "device"))] or names

    def speeds(self) -> dict[str, int | None]:
        return {name: found.speed or None for name, found in self._psutil.net_if_stats().items()}


def _fields(counters: t.Any, names: t.Mapping[str, str]) -> dict[str, int]:
    return {field: int(getattr(counters, name)) for field, name in names.items() if hasattr(counters, name)}


def _missing() -> str:
    return (
        f"the Python package psutil is missing for {sys.executable}: run this task with the interpreter that the role "
        "aidc.ops.gpu_node installs (ansible_python_interpreter: /opt/aidc_ops/node/bin/python), or install the package"
    )


def choose_reader() -> t.Any:
    """Return the reader with psutil, or the one without if the package is not there."""
    try:
        import psutil  # not at the top: a node may not have it
    except ImportError:
        return ProcReader()
    return PsutilReader(psutil)


def snapshot(reader: t.Any, at: float, problems: dict[str, Problem]) -> Snapshot:
    """Return what can be read now; what cannot is None and has one entry in C(problems)."""
    parts: dict[str, t.Any] = {}
    for part in ("cpus", "memory", "disks", "networks"):
        try:
            parts[part] = getattr(reader, part)()
        except Exception as exc:  # psutil passes on whatever the kernel and its own parsers raise
            text = str(exc) if isinstance(exc, NotImplementedError) else f"cannot be read: {type(exc).__name__}: {exc}"
            problems.setdefault(part, {"part": "cpu" if part == "cpus" else part, "device": None, "message": text})
    return Snapshot(at, **parts)


def watch(
    interval: float,
    samples: int,
    progress: Progress = lambda step: None,
    reader: t.Any = None,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """Return the usage of this node over C(samples) periods of C(interval) seconds."""
    progress("loading psutil")
    reader = choose_reader() if reader is None else reader
    problems: dict[str, Problem] = {}
    snapshots: list[Snapshot] = []
    progress("asking for the speed of the links")
    try:
        speeds = reader.speeds()
    except Exception:  # without them only the utilisation of the links is unknown
        speeds = {}
    for number in range(samples + 1):
        if snapshots:
            progress(f"waiting for sample {number}")
            # By the clock, so that what the reading takes does not add up.
            sleep(max(0.0, snapshots[0].at + number * interval - clock()))
        progress(f"reading sample {number}")
        snapshots.append(snapshot(reader, clock(), problems))
    usage = measure(snapshots, speeds)
    return {"source": reader.source, **usage, "problems": [*problems.values(), *usage["problems"]]}
