# Rates and shares from snapshots of the kernel's counters.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. A cumulative counter says nothing by itself; the difference of two readings over the time between them does.

A counter that fell has either wrapped at 32 or 64 bits, which is a difference still, or started again, which tells
nothing about that period: a rate is then left out, never guessed.
"""

from __future__ import annotations

import typing as t

Counters = t.Mapping[str, float]
# Of a rate, a share or an amount over all samples; None if no sample has it.
Spread = t.Optional[t.Dict[str, float]]

CPU_TIMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_CPU_SHARES = {
    "user_percent": ("user", "nice"),
    "system_percent": ("system", "irq", "softirq"),
    "iowait_percent": ("iowait",),
    "steal_percent": ("steal",),
}
_IDLE = ("idle", "iowait")


class Snapshot(t.NamedTuple):
    """What the kernel said at one moment (seconds of a clock that never jumps); None for a part that was not read.

    CPU times are in seconds, by C(total) and by the number of the CPU; disks and networks map names to counters.
    """

    at: float
    cpus: dict[str, dict[str, float]] | None = None
    memory: dict[str, float] | None = None
    disks: dict[str, dict[str, int]] | None = None
    networks: dict[str, dict[str, int]] | None = None


def increase(before: int, after: int) -> int | None:
    """Return how far a counter rose; None if it started again in between."""
    if after >= before:
        return after - before
    for bits in (32, 64):
        size = 1 << bits
        # One that wrapped was near its end and is near its beginning now.
        if before < size and after - before + size < size // 4:
            return after - before + size
    return None


def spread(values: t.Sequence[tuple[float, float]]) -> Spread:
    """Return min, mean and max of (value, weight) pairs."""
    if not values:
        return None
    numbers = [value for value, _weight in values]
    mean = sum(value * weight for value, weight in values) / sum(weight for _value, weight in values)
    found = {"min": min(numbers), "mean": mean, "max": max(numbers)}
    return {name: round(float(value), 3) for name, value in found.items()}


class Device:
    """What was seen of one device: a list of (value, seconds) for each of its rates, and what was odd."""

    def __init__(self) -> None:
        self.rates: dict[str, list[tuple[float, float]]] = {}
        self.notes: list[str] = []

    def add(self, name: str, value: float, seconds: float) -> None:
        self.rates.setdefault(name, []).append((value, seconds))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def spread(self, name: str) -> Spread:
        return spread(self.rates.get(name, []))


def _periods(
    snapshots: t.Sequence[Snapshot], part: str
) -> t.Iterator[tuple[float, dict[str, t.Any], dict[str, t.Any]]]:
    """The time between each two snapshots that follow each other, with what both say of a part."""
    for before, after in zip(snapshots, snapshots[1:]):
        seconds = after.at - before.at
        old, new = getattr(before, part), getattr(after, part)
        if seconds > 0 and old is not None and new is not None:
            yield seconds, old, new


def _add_rates(device: Device, old: t.Mapping[str, int], new: t.Mapping[str, int], seconds: float) -> None:
    rises = {counter: increase(old[counter], new[counter]) for counter in old if counter in new}
    if None in rises.values():
        device.note("a counter started again during the measurement; that sample is left out")
    for counter, rise in rises.items():
        if rise is not None:
            device.add(counter, rise / seconds, seconds)
    both = [rises.get("receive_bytes"), rises.get("transmit_bytes")]
    # Both directions have the whole speed of a link, so the fuller one counts.
    if None not in both:
        device.add("fuller_bytes", max(both) / seconds, seconds)  # type: ignore[type-var, operator]


def devices(snapshots: t.Sequence[Snapshot], part: str) -> dict[str, Device]:
    """Return the rates of every counter of every device of C(disks) or C(networks), per second."""
    found: dict[str, Device] = {}
    for seconds, old, new in _periods(snapshots, part):
        for name in {**old, **new}:
            device = found.setdefault(name, Device())
            if name not in old:
                device.note("it appeared during the measurement")
            elif name not in new:
                device.note("it vanished during the measurement")
            else:
                _add_rates(device, old[name], new[name], seconds)
    return found


def _cpu(snapshots: t.Sequence[Snapshot]) -> dict[str, Device]:
    found: dict[str, Device] = {}
    for seconds, old, new in _periods(snapshots, "cpus"):
        # When a CPU goes or comes, those behind it change their numbers.
        for name in old if old.keys() == new.keys() else ("total",):
            # Some of these times fall a little now and then; nothing was spent backwards.
            spent = {kind: max(0.0, new[name][kind] - old[name][kind]) for kind in CPU_TIMES}
            whole = sum(spent.values())
            if whole > 0:
                device = found.setdefault(name, Device())
                busy = whole - sum(spent[kind] for kind in _IDLE)
                device.add("busy_percent", 100 * busy / whole, seconds)
                for share, kinds in _CPU_SHARES.items():
                    device.add(share, 100 * sum(spent[kind] for kind in kinds) / whole, seconds)
    return found


def cpu_usage(snapshots: t.Sequence[Snapshot]) -> dict[str, t.Any] | None:
    """Return the shares of all CPUs together, and how busy each one was; None if they were not read."""
    if all(snapshot.cpus is None for snapshot in snapshots):
        return None
    found = _cpu(snapshots)
    total = found.pop("total", Device())
    names = sorted(found, key=int)
    return {
        **{share: total.spread(share) for share in ("busy_percent", *_CPU_SHARES)},
        "cpus": [{"cpu": int(name), "busy_percent": found[name].spread("busy_percent")} for name in names],
    }


def memory_usage(snapshots: t.Sequence[Snapshot]) -> dict[str, t.Any] | None:
    """Return how much memory there was and was left; None if it was not read."""
    seen = [snapshot.memory for snapshot in snapshots if snapshot.memory is not None]
    if not seen:
        return None
    used = [(100 * (1 - one["available_bytes"] / one["total_bytes"]), 1.0) for one in seen if one["total_bytes"]]
    return {
        "total_bytes": int(seen[-1]["total_bytes"]),
        "available_bytes": spread([(one["available_bytes"], 1.0) for one in seen]),
        "used_percent": spread(used),
        "swap_total_bytes": int(seen[-1]["swap_total_bytes"]),
        "swap_used_bytes": spread([(one["swap_total_bytes"] - one["swap_free_bytes"], 1.0) for one in seen]),
    }


def _problems(part: str, found: t.Mapping[str, Device]) -> list[dict[str, t.Any]]:
    return [{"part": part, "device": name, "message": text} for name, device in found.items() for text in device.notes]


def disk_usage(snapshots: t.Sequence[Snapshot]) -> tuple[list[dict[str, t.Any]] | None, list[dict[str, t.Any]]]:
    """Return the disks by name, and what was odd about them; None if they were not read."""
    if all(snapshot.disks is None for snapshot in snapshots):
        return None, []
    found = devices(snapshots, "disks")
    result = []
    for name, device in sorted(found.items()):
        # The kernel may count a little more than the time that passed.
        busy = [(min(100.0, rate / 10), seconds) for rate, seconds in device.rates.get("busy_ms", [])]
        rates = {f"{counter}_per_second": device.spread(counter) for counter in DISK_COUNTERS if counter != "busy_ms"}
        result.append({"name": name, **rates, "utilisation_percent": spread(busy)})
    return result, _problems("disks", found)


def network_usage(
    snapshots: t.Sequence[Snapshot], speeds: t.Mapping[str, int | None]
) -> tuple[list[dict[str, t.Any]] | None, list[dict[str, t.Any]]]:
    """Return the network interfaces by name, and what was odd about them; None if they were not read.

    C(speeds) are those of the links in Mbit/s.
    """
    if all(snapshot.networks is None for snapshot in snapshots):
        return None, []
    found = devices(snapshots, "networks")
    result = []
    for name, device in sorted(found.items()):
        rates = {f"{counter}_per_second": device.spread(counter) for counter in NETWORK_COUNTERS}
        speed = speeds.get(name)
        bytes_seen = device.rates.get("fuller_bytes", []) if speed else []
        use = [(min(100.0, rate * 8 / ((speed or 1) * 1e4)), seconds) for rate, seconds in bytes_seen]
        result.append({"name": name, "speed_mbps": speed or None, **rates, "utilisation_percent": spread(use)})
    return result, _problems("networks", found)


DISK_COUNTERS = ("read_bytes", "write_bytes", "reads", "writes", "busy_ms")
NETWORK_COUNTERS = (
    "receive_bytes",
    "transmit_bytes",
    "receive_packets",
    "transmit_packets",
    "receive_errors",
    "transmit_errors",
    "receive_drops",
    "transmit_drops",
)


def measure(snapshots: t.Sequence[Snapshot], speeds: t.Mapping[str, int | None]) -> dict[str, t.Any]:
    """Return the usage of a node over all snapshots."""
    disks, disk_problems = disk_usage(snapshots)
    networks, network_problems = network_usage(snapshots, speeds)
    return {
        "duration_seconds": round(snapshots[-1].at - snapshots[0].at, 3),
        "cpu": cpu_usage(snapshots),
        "memory": memory_usage(snapshots),
        "disks": disks,
        "networks": networks,
        "problems": disk_problems + network_problems,
    }
