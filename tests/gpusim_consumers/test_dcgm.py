# The real DCGM engine runs on the simulator and reports what the state says.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

READER = Path(__file__).with_name("dcgm_reader.py")
XID, DBE_VOLATILE, DBE_AGGREGATE, REMAP_FAILURE, REMAPPED_UNCORRECTABLE = 230, 311, 313, 395, 393

# DCGM field -> the value that the state holds for it, in DCGM's unit
FIELDS: dict[int, Callable[[Node, int], Any]] = {
    50: lambda node, gpu: node.entry("name", gpu),
    53: lambda node, gpu: node.entry("serial", gpu),
    54: lambda node, gpu: node.entry("uuid", gpu),
    57: lambda node, gpu: node.entry("bus_id", gpu),
    66: lambda node, gpu: node.number("persistence_mode", gpu),
    67: lambda node, gpu: node.number("mig_mode_current", gpu),
    100: lambda node, gpu: node.number("clock_sm", gpu),
    101: lambda node, gpu: node.number("clock_memory", gpu),
    112: lambda node, gpu: node.number("clocks_event_reasons", gpu),
    140: lambda node, gpu: node.number("temperature_memory", gpu),
    150: lambda node, gpu: node.number("temperature_gpu", gpu),
    155: lambda node, gpu: node.number("power_usage", gpu) / 1000,
    156: lambda node, gpu: node.number("energy", gpu),
    160: lambda node, gpu: node.number("power_limit", gpu) / 1000,
    202: lambda node, gpu: node.number("pcie_replay", gpu),
    203: lambda node, gpu: node.number("utilization_gpu", gpu),
    204: lambda node, gpu: node.number("utilization_memory", gpu),
    235: lambda node, gpu: node.number("pcie_generation_max", gpu),
    238: lambda node, gpu: node.number("pcie_width", gpu),
    250: lambda node, gpu: node.number("memory_total", gpu) >> 20,
    252: lambda node, gpu: node.number("memory_used", gpu) >> 20,
    310: lambda node, gpu: node.number("ecc_corrected_volatile_dram", gpu),
    DBE_VOLATILE: lambda node, gpu: node.number("ecc_uncorrected_volatile_dram", gpu),
    312: lambda node, gpu: node.number("ecc_corrected_aggregate_dram", gpu),
    DBE_AGGREGATE: lambda node, gpu: node.number("ecc_uncorrected_aggregate_dram", gpu),
    REMAPPED_UNCORRECTABLE: lambda node, gpu: node.number("remapped_rows_uncorrectable", gpu),
    394: lambda node, gpu: node.number("remapped_rows_correctable", gpu),
    REMAP_FAILURE: lambda node, gpu: node.number("remapped_rows_failure", gpu),
    409: lambda node, gpu: int(node.entry("nvlink_crc_flit_3", gpu) or 0),
    429: lambda node, gpu: int(node.entry("nvlink_replay_4", gpu) or 0),
}

Read = Callable[[], dict[int, dict[int, Any]]]


@contextmanager
def engine(node: Node, library: Path) -> Iterator[Read]:
    """A running DCGM engine; the function reads all fields of all GPUs."""
    command = [sys.executable, str(READER), str(library), *map(str, [*FIELDS, XID])]
    with subprocess.Popen(
        command, env=node.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None and reader.stdout is not None and reader.stderr is not None
        send, answers, errors = reader.stdin, reader.stdout, reader.stderr

        def read() -> dict[int, dict[int, Any]]:
            send.write("\n")
            send.flush()
            line = answers.readline()
            assert line, errors.read()
            return {int(gpu): {int(f): v for f, v in values.items()} for gpu, values in json.loads(line).items()}

        try:
            yield read
        finally:
            send.close()
            reader.kill()


def expected(node: Node, gpu: int) -> dict[int, Any]:
    return {field: pytest.approx(value(node, gpu)) if field in (155, 160) else value(node, gpu)
            for field, value in FIELDS.items()}  # fmt: skip


def test_values_agree_with_the_state(node: Node, dcgm: Path) -> None:
    with engine(node, dcgm) as read:
        found = read()
        assert sorted(found) == [0, 1, 2]
        for gpu, values in found.items():
            assert values.pop(XID) is None, "no XID yet"
            assert values == expected(node, gpu)
        assert found[1][150] == 61 and found[1][155] == pytest.approx(351.5), "the numbers are not all zero"

        node.gpusim("set", "--gpu", "2", "temperature_gpu=88", "utilization_gpu=7", "power_usage=123000")
        assert {k: v for k, v in read()[2].items() if k != XID} == expected(node, 2), "and they follow the state"


def test_faults_are_seen(node: Node, dcgm: Path) -> None:
    with engine(node, dcgm) as read:
        read()
        node.gpusim("inject", "xid64", "--gpu", "1")
        node.gpusim("inject", "xid63", "--gpu", "2")
        deadline = time.monotonic() + 15
        found = read()
        while (found[1][XID], found[2][XID]) != (64, 63) and time.monotonic() < deadline:
            found = read()
        kinds = (XID, DBE_VOLATILE, DBE_AGGREGATE, REMAPPED_UNCORRECTABLE, REMAP_FAILURE)
        assert [[found[gpu][kind] for kind in kinds] for gpu in (0, 1, 2)] == [
            [None, 0, 0, 0, 0], [64, 1, 1, 0, 1], [63, 1, 1, 1, 0],
        ]  # fmt: skip
        node.gpusim("reset", "--gpu", "1")
        found = read()
        assert [found[1][kind] for kind in kinds] == [64, 0, 1, 0, 0], "the XID stays: DCGM keeps the last one"


def test_the_engine_lives_on_when_a_gpu_falls_off_the_bus(node: Node, dcgm: Path) -> None:
    with engine(node, dcgm) as read:
        read()
        node.gpusim("inject", "xid79", "--gpu", "1")
        deadline = time.monotonic() + 15
        found = read()
        while (found[1][XID] != 79 or found[1][150] is not None) and time.monotonic() < deadline:
            found = read()
        assert found[1][XID] == 79
        assert found[1][150] is None, "a lost GPU has no temperature"
        assert found[0][150] == node.number("temperature_gpu", 0)
