# Cases of the forecasts.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_forecast",)
DISK = '{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"'
SIZE = (f"node_filesystem_size_bytes{{{DISK}}}", "100x400")
CPU = "instance:aidc_cpu_utilization:ratio{{n}}"
MEMORY = "instance:aidc_memory_used:ratio{{n}}"
HEAT = "gpu:aidc_gpu_temperature_celsius:max{{g}}"
INLET = 'ipmi_temperature_celsius{{n},name="Inlet Temp"}'
# Up and down by a job every other quarter of an hour, which rises by nothing.
JOBS = "0.2x2 0.8x2 " * 40

CASES = (
    Case(
        "CpuWillBeBusy",
        # Half a percent in five minutes, for nine hours.
        ((CPU, "0.3+0.005x110"),),
        "n1: in 4 hours its processors will be busy to 108 %",
        # A job that began four hours ago and takes what it needs.
        ((CPU, "0.1x55 0.8x55"),),
        at="9h",
        interval="5m",
    ),
    Case(
        "CpuWillBeBusy",
        ((CPU, "0.3+0.005x110"),),
        "n1: in 4 hours its processors will be busy to 108 %",
        ((CPU, JOBS),),
        at="9h",
        interval="5m",
    ),
    Case(
        "MemoryWillBeShort",
        ((MEMORY, "0.3+0.005x110"),),
        "n1: in 4 hours 108 % of its memory will be used",
        # A node that is there for an hour, and takes what it needs to begin.
        ((MEMORY, "_x96 0.1+0.03x14"),),
        at="9h",
        interval="5m",
    ),
    Case(
        "FilesystemWillBeNearlyFull",
        ((f"node_filesystem_avail_bytes{{{DISK}}}", "60-0.12x400"), SIZE),
        "n1: in 24 hours /scratch will be full to 93.28 %",
        # So slowly that a day does not matter.
        ((f"node_filesystem_avail_bytes{{{DISK}}}", "60-0.01x400"), SIZE),
        labels={"device": "/dev/md0", "mountpoint": "/scratch"},
        at="50h",
        interval="10m",
    ),
    Case(
        "GpuWillBeHot",
        ((HEAT, "60+0.4x60"),),
        "n1: GPU 3 00000000:3b:00.0 will have 92 °C in 2 hours",
        # It warms up after the start of a job, and levels off.
        ((HEAT, "40x10 40+4x10 80x40"),),
        gpu=True,
        at="4h40m",
        interval="5m",
    ),
    Case(
        "InletWillBeTooWarm",
        ((INLET, "20+0.22x60"),),
        "n1: in 2 hours the air that it takes in will have 38.48 °C (Inlet Temp)",
        # Down again since an hour.
        ((INLET, "20+0.25x44 31-0.3x16"),),
        labels={"sensor": "Inlet Temp"},
        at="5h",
        interval="5m",
    ),
)
