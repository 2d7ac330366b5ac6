# Cases of capacity and energy.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_capacity", "aidc_recording", "aidc_gpu")
# The exporter of Slurm runs elsewhere; each node has eight GPUs.
ALLOCATED = 'slurm_node_gpus_allocated{instance="ctl",node="%s"}'
GPUS = tuple((f'slurm_node_gpus{{instance="ctl",node="{node}"}}', "8x2000") for node in ("n1", "n2"))
WAITING = 'slurm_pending_gpus{partition="p"}'
OLDEST = 'slurm_pending_oldest_seconds{partition="p"}'
REASON = 'slurm_pending_reason_jobs{partition="p",reason="%s"}'
# What the fleet has is what its exporters show.
SEEN = tuple((f'DCGM_FI_DEV_GPU_TEMP{{instance="n1",UUID="{index}"}}', "40x400") for index in range(16))
POWER = 'ipmi_dcmi_power_consumption_watts{instance="%s",rack="r1",leaf="l1"}'

CASES = (
    Case(
        "GpusIdleHeld",
        ((ALLOCATED % "n1", "1x400"), ("DCGM_FI_DEV_GPU_UTIL{{g}}", "0x400")),
        "n1: 1 of its GPUs are held by jobs that do not use them",
        # It works for a minute, now and then.
        ((ALLOCATED % "n1", "1x400"), ("DCGM_FI_DEV_GPU_UTIL{{g}}", "0x20 80x1 " * 20)),
        labels={"instance": "n1"},
        node=False,
        at="3h",
        interval="1m",
    ),
    Case(
        "GpuFragmentationHigh",
        (*GPUS, (ALLOCATED % "n1", "4x400"), (ALLOCATED % "n2", "8x400"), (WAITING, "8x400")),
        "100% of the free GPUs are on nodes that are not wholly free, and jobs wait for GPUs",
        # Nobody waits.
        (*GPUS, (ALLOCATED % "n1", "4x400"), (ALLOCATED % "n2", "8x400"), (WAITING, "0x400")),
        node=False,
        at="2h",
        interval="1m",
    ),
    Case(
        "QueueWaitsWhileGpusFree",
        (
            *GPUS,
            *SEEN,
            (ALLOCATED % "n1", "8x400"),
            (ALLOCATED % "n2", "0x400"),
            (WAITING, "8x400"),
            (OLDEST, "20000x400"),
            (REASON % "Resources", "1x400"),
        ),
        "A job in p has waited for 5h 33m 20s, and a tenth of all GPUs is free",
        # It waits for another job.
        (
            *GPUS,
            *SEEN,
            (ALLOCATED % "n1", "8x400"),
            (ALLOCATED % "n2", "0x400"),
            (WAITING, "8x400"),
            (OLDEST, "20000x400"),
            (REASON % "Dependency", "1x400"),
            (REASON % "Resources", "0x400"),
        ),
        labels={"partition": "p"},
        node=False,
        at="1h",
        interval="1m",
    ),
    Case(
        "QueueWaitsWhileGpusFree",
        (
            *GPUS,
            *SEEN,
            (ALLOCATED % "n1", "8x400"),
            (ALLOCATED % "n2", "4x400"),
            (WAITING, "8x400"),
            (OLDEST, "20000x400"),
            (REASON % "Priority", "1x400"),
        ),
        "A job in p has waited for 5h 33m 20s, and a tenth of all GPUs is free",
        # All are taken.
        (
            *GPUS,
            *SEEN,
            (ALLOCATED % "n1", "8x400"),
            (ALLOCATED % "n2", "8x400"),
            (WAITING, "8x400"),
            (OLDEST, "20000x400"),
            (REASON % "Priority", "1x400"),
        ),
        labels={"partition": "p"},
        node=False,
        at="1h",
        interval="1m",
    ),
    Case(
        "GpusExhausted",
        (*GPUS, (ALLOCATED % "n1", "8x2000"), (ALLOCATED % "n2", "8x2000"), (WAITING, "24x2000")),
        "No GPU has been free for a day, and jobs wait for 24",
        # One was free for an hour.
        (*GPUS, (ALLOCATED % "n1", "8x600 7x30 8x1370"), (ALLOCATED % "n2", "8x2000"), (WAITING, "24x2000")),
        node=False,
        at="26h",
        interval="2m",
    ),
    Case(
        "PowerNearCeiling",
        ((POWER % "n1", "19000x60"), (POWER % "n2", "18000x60")),
        "rack r1 draws 37k W, near its ceiling of 40000 W",
        ((POWER % "n1", "17000x60"), (POWER % "n2", "18000x60")),
        labels={"feed": "rack r1"},
        node=False,
        at="30m",
    ),
)
