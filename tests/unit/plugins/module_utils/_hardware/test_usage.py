# Tests of rates from counters: plain, wrapping, starting again, appearing and vanishing ones.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import usage
from ansible_collections.aidc.ops.plugins.module_utils._hardware.usage import Snapshot, increase, measure


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0, 0, 0),
        (5, 12, 7),
        (2**40, 2**40 + 1, 1),
        # wraps at 32 and at 64 bits
        (2**32 - 10, 5, 15),
        (2**32 - 1, 0, 1),
        (2**64 - 10, 5, 15),
        # starts again: no number can be known
        (1000, 5, None),
        (2**31, 5, None),
        (2**40, 5, None),
        (2**63, 5, None),
        (2**64 + 10, 5, None),
    ],
)
def test_increase(before: int, after: int, expected: int | None) -> None:
    assert increase(before, after) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([(4, 1.0)], {"min": 4.0, "mean": 4.0, "max": 4.0}),
        # A long sample counts more in the mean.
        ([(10, 3.0), (50, 1.0)], {"min": 10.0, "mean": 20.0, "max": 50.0}),
    ],
)
def test_spread(values: Any, expected: Any) -> None:
    assert usage.spread(values) == expected


def disk(read_bytes: int, busy_ms: int = 0) -> dict[str, int]:
    return {"read_bytes": read_bytes, "write_bytes": 0, "reads": 0, "writes": 0, "busy_ms": busy_ms}


def disks(*states: Any) -> list[Snapshot]:
    """A snapshot every two seconds."""
    return [Snapshot(10.0 + 2 * number, disks=state) for number, state in enumerate(states)]


def one(values: Any) -> Any:
    (found,) = values
    return found


def test_rates_are_per_second_and_by_name() -> None:
    states = [
        {"sdb": disk(0), "sda": disk(100, 1000)},
        {"sdb": disk(0), "sda": disk(300, 2000)},
        {"sdb": disk(0), "sda": disk(1100, 4000)},
    ]
    found = measure(disks(*states), {})
    assert found["duration_seconds"] == 4.0
    assert [one["name"] for one in found["disks"]] == ["sda", "sdb"]
    assert found["disks"][0]["read_bytes_per_second"] == {"min": 100.0, "mean": 250.0, "max": 400.0}
    assert found["disks"][0]["utilisation_percent"] == {"min": 50.0, "mean": 75.0, "max": 100.0}
    assert found["disks"][1]["read_bytes_per_second"] == {"min": 0.0, "mean": 0.0, "max": 0.0}
    assert (found["networks"], found["cpu"], found["memory"], found["problems"]) == (None, None, None, [])


def test_utilisation_never_exceeds_the_time() -> None:
    found = measure(disks({"sda": disk(0, 0)}, {"sda": disk(0, 2100)}), {})
    assert one(found["disks"])["utilisation_percent"]["max"] == 100.0


@pytest.mark.parametrize(
    ("states", "rate", "message"),
    [
        (
            [{"sda": disk(1000)}, {"sda": disk(10)}, {"sda": disk(210)}],
            {"min": 100.0, "mean": 100.0, "max": 100.0},
            "a counter started again during the measurement; that sample is left out",
        ),
        ([{}, {"sda": disk(0)}, {"sda": disk(20)}], {"min": 10.0, "mean": 10.0, "max": 10.0}, "it appeared"),
        ([{"sda": disk(0)}, {"sda": disk(20)}, {}], {"min": 10.0, "mean": 10.0, "max": 10.0}, "it vanished"),
        ([{}, {"sda": disk(0)}], None, "it appeared"),
        ([{"sda": disk(0)}, {}], None, "it vanished"),
        ([{"sda": disk(0)}, {}, {"sda": disk(9)}], None, "it vanished"),
    ],
)
def test_what_is_odd_is_told_and_never_guessed(states: Any, rate: Any, message: str) -> None:
    found = measure(disks(*states), {})
    assert one(found["disks"])["read_bytes_per_second"] == rate
    assert {(problem["part"], problem["device"]) for problem in found["problems"]} == {("disks", "sda")}
    assert found["problems"][0]["message"].startswith(message)


def test_a_wrapping_counter_is_followed() -> None:
    found = measure(disks({"sda": disk(2**32 - 100)}, {"sda": disk(100)}), {})
    assert one(found["disks"])["read_bytes_per_second"]["mean"] == 100.0
    assert found["problems"] == []


def test_a_counter_that_one_reading_lacks_has_no_rate() -> None:
    states = [{"sda": {"read_bytes": 1, "reads": 1}}, {"sda": {"read_bytes": 3}}]
    found = one(measure(disks(*states), {})["disks"])
    assert found["read_bytes_per_second"]["mean"] == 1.0
    assert found["reads_per_second"] is None and found["utilisation_percent"] is None


@pytest.mark.parametrize("times", [(10.0, 10.0), (10.0, 9.0)])
def test_no_time_no_rate(times: tuple[float, float]) -> None:
    snapshots = [Snapshot(at, disks={"sda": disk(number)}) for number, at in enumerate(times)]
    assert measure(snapshots, {})["disks"] == []


def test_a_part_that_could_be_read_only_sometimes() -> None:
    states = [{"sda": disk(0)}, None, {"sda": disk(5)}, {"sda": disk(25)}]
    assert one(measure(disks(*states), {})["disks"])["read_bytes_per_second"]["mean"] == 10.0


def network(received: int, sent: int) -> dict[str, int]:
    return {**dict.fromkeys(usage.NETWORK_COUNTERS, 0), "receive_bytes": received, "transmit_bytes": sent}


@pytest.mark.parametrize(
    ("speeds", "use"),
    [
        # The fuller direction of each sample: 125 MB/s are one Gbit/s.
        ({"eth0": 2000}, {"min": 25.0, "mean": 37.5, "max": 50.0}),
        ({"eth0": 100}, {"min": 100.0, "mean": 100.0, "max": 100.0}),
        ({"eth0": None}, None),
        ({"eth0": 0}, None),
        ({}, None),
    ],
)
def test_network(speeds: Any, use: Any) -> None:
    states = [network(0, 0), network(250_000_000, 0), network(250_000_000, 125_000_000)]
    snapshots = [Snapshot(2.0 * number, networks={"eth0": state}) for number, state in enumerate(states)]
    found = one(measure(snapshots, speeds)["networks"])
    assert found["receive_bytes_per_second"] == {"min": 0.0, "mean": 62500000.0, "max": 125000000.0}
    assert found["speed_mbps"] == (speeds.get("eth0") or None)
    assert found["utilisation_percent"] == use


def test_utilisation_pairs_only_what_both_directions_tell() -> None:
    states = [network(1000, 0), network(10, 1_000_000), network(20, 1_000_010)]
    snapshots = [Snapshot(float(number), networks={"eth0": state}) for number, state in enumerate(states)]
    found = measure(snapshots, {"eth0": 8})
    # In the first sample the received bytes started again, so its direction is unknown.
    assert one(found["networks"])["utilisation_percent"] == {"min": 0.001, "mean": 0.001, "max": 0.001}
    assert len(found["problems"]) == 1


def cpu(**seconds: float) -> dict[str, float]:
    return {**dict.fromkeys(usage.CPU_TIMES, 0.0), **seconds}


def test_cpu_shares() -> None:
    before = {"total": cpu(), "0": cpu(), "10": cpu(), "2": cpu()}
    after = {
        "total": cpu(user=2, nice=1, system=1, irq=0.5, softirq=0.5, idle=3, iowait=1, steal=1),
        "0": cpu(user=1),
        "10": cpu(idle=1),
        "2": cpu(user=1, idle=1),
    }
    found: Any = measure([Snapshot(0.0, cpus=before), Snapshot(1.0, cpus=after)], {})["cpu"]
    shares = {name: value["mean"] for name, value in found.items() if name != "cpus"}
    assert shares == {
        "busy_percent": 60.0,
        "user_percent": 30.0,
        "system_percent": 20.0,
        "iowait_percent": 10.0,
        "steal_percent": 10.0,
    }
    assert [(one["cpu"], one["busy_percent"]["mean"]) for one in found["cpus"]] == [(0, 100.0), (2, 50.0), (10, 0.0)]


def test_time_that_falls_a_little_was_not_spent() -> None:
    states = [cpu(user=1, iowait=5), cpu(user=2, iowait=4.99, idle=1)]
    snapshots = [Snapshot(float(number), cpus={"total": state}) for number, state in enumerate(states)]
    found: Any = measure(snapshots, {})["cpu"]
    assert found["busy_percent"]["mean"] == 50.0 and found["iowait_percent"]["mean"] == 0.0


def test_cpus_that_changed_their_numbers_are_not_compared() -> None:
    before = {"total": cpu(), "0": cpu(), "1": cpu(user=500)}
    after = {"total": cpu(user=1), "0": cpu(user=501)}
    found: Any = measure([Snapshot(0.0, cpus=before), Snapshot(1.0, cpus=after)], {})["cpu"]
    assert found["busy_percent"]["mean"] == 100.0 and found["cpus"] == []


def test_a_clock_that_stood_still_gives_no_share() -> None:
    found: Any = measure([Snapshot(0.0, cpus={"total": cpu()}), Snapshot(1.0, cpus={"total": cpu()})], {})["cpu"]
    assert found["busy_percent"] is None


def test_memory() -> None:
    def memory(available: int) -> dict[str, float]:
        return {"total_bytes": 1000, "available_bytes": available, "swap_total_bytes": 100, "swap_free_bytes": 40}

    snapshots = [Snapshot(0.0, memory=memory(900)), Snapshot(1.0, memory=None), Snapshot(2.0, memory=memory(500))]
    assert measure(snapshots, {})["memory"] == {
        "total_bytes": 1000,
        "available_bytes": {"min": 500.0, "mean": 700.0, "max": 900.0},
        "used_percent": {"min": 10.0, "mean": 30.0, "max": 50.0},
        "swap_total_bytes": 100,
        "swap_used_bytes": {"min": 60.0, "mean": 60.0, "max": 60.0},
    }


def test_no_memory_at_all_has_no_share() -> None:
    empty = dict.fromkeys(("total_bytes", "available_bytes", "swap_total_bytes", "swap_free_bytes"), 0.0)
    found: Any = measure([Snapshot(0.0, memory=empty), Snapshot(1.0)], {})["memory"]
    assert found["used_percent"] is None
