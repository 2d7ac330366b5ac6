# One GPU node: its GPUs, its host, its scheduler and its alerts.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import (
    ALL_IS_WELL,
    ANY_IS_BAD,
    GPU_TEMPERATURE,
    GPUS,
    NODES,
    TOP,
    UP_IS_GOOD,
    YES_IS_BAD,
    Query,
    either,
    high_is_bad,
    rate,
)
from .page import Page, cluster, gpu, node, rack
from .panels import Column, firing, graph, listing, stat

EACH = "GPU {{gpu}}"
BUSY = f'mode!="idle",{NODES}'
BY_GPU = "gpu, modelName"
SCHEDULED = 'node=~"$node",cluster=~"$cluster"'
CARDS = f'device!~"lo|veth.*|cali.*|docker.*|br-.*|tap.*",{NODES}'
KEPT = f'fstype!~"tmpfs|ramfs|squashfs|iso9660|overlay",{NODES}'


def page() -> model.Dashboard:
    """The dashboard "GPU node"."""
    made = Page(
        "aidc-gpu-node",
        "GPU node",
        "Everything about one node: its GPUs, its host, its scheduler and its alerts.",
        [cluster(), rack(), node(multi=False), gpu()],
        alerts=f'instance!="",{NODES}',
    )
    made.line(
        stat(
            "Node",
            "Whether the node exporter of the node answers.",
            f'max(up{{job="node_exporter",{NODES}}})',
            "none",
            ALL_IS_WELL,
            texts=UP_IS_GOOD,
            trend=False,
        ),
        stat("GPUs", "GPUs of the node that answer.", f"sum(aidc_gpus_present{{{NODES}}})", units.Short, trend=False),
        stat(
            "GPU utilisation",
            "Mean share of time that its GPUs were busy.",
            f"avg(instance:aidc_gpu_utilization:avg{{{NODES}}})",
            units.PercentUnit,
            decimals=0,
        ),
        stat(
            "Hottest GPU",
            "The highest temperature among its GPUs.",
            f"max({either(GPU_TEMPERATURE, GPUS)})",
            units.Celsius,
            high_is_bad(80, 88),
        ),
        stat(
            "Power",
            "Electrical power of the node: from BMC or power strip where there is one, else of its GPUs.",
            f"sum(instance:aidc_power_watts:sum{{{NODES}}})",
            units.Watt,
        ),
        stat(
            "Out of scheduling",
            "Whether Slurm shows the node as drained, down or not responding.",
            f'max(slurm_node_state{{state=~"drain|down|not_responding|maint",{SCHEDULED}}}) or vector(0)',
            "none",
            ANY_IS_BAD,
            texts=YES_IS_BAD,
            trend=False,
        ),
        stat(
            "Alerts",
            "Alerts of the node that fire.",
            f'count(ALERTS{{alertstate="firing",instance!="",{NODES}}}) or vector(0)',
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Up for",
            "Time since the node was started.",
            f"time() - max(node_boot_time_seconds{{{NODES}}})",
            units.Seconds,
            trend=False,
        ),
        height=4,
    )
    made.heading("GPUs")
    made.line(
        listing(
            "GPUs, the hottest first",
            "The state of each GPU now.",
            {"gpu": "GPU", "modelName": "Model"},
            [
                Column(
                    "Temperature",
                    f"max by ({BY_GPU}) ({either(GPU_TEMPERATURE, GPUS)})",
                    units.Celsius,
                    high_is_bad(80, 88),
                ),
                Column(
                    "Utilisation",
                    f"max by ({BY_GPU}) (DCGM_FI_DEV_GPU_UTIL{{{GPUS}}})",
                    units.Percent,
                    bar_to=100,
                ),
                Column("Power", f"max by ({BY_GPU}) (DCGM_FI_DEV_POWER_USAGE{{{GPUS}}})", units.Watt),
                Column("Memory in use", f"max by ({BY_GPU}) (DCGM_FI_DEV_FB_USED{{{GPUS}}})", units.Mebibytes),
                Column(
                    "Uncorrectable errors",
                    f"max by ({BY_GPU}) (DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{GPUS}}})",
                    units.Short,
                    ANY_IS_BAD,
                ),
                Column(
                    "Remap pending",
                    f"max by ({BY_GPU}) (DCGM_FI_DEV_ROW_REMAP_PENDING{{{GPUS}}})",
                    limits=ANY_IS_BAD,
                    texts=YES_IS_BAD,
                ),
                Column("Last XID", f"max by ({BY_GPU}) (DCGM_FI_DEV_XID_ERRORS{{{GPUS}}})", "none", ANY_IS_BAD),
            ],
            "Temperature",
        ),
        firing("Alerts of this node.", f'instance!="",{NODES}'),
        widths=(16, 8),
        height=9,
    )
    made.line(
        graph(
            "GPU utilisation",
            "Share of time each GPU was busy.",
            Query(f"max by (gpu) (DCGM_FI_DEV_GPU_UTIL{{{GPUS}}})", EACH),
            units.Percent,
            high=100,
        ),
        graph(
            "GPU temperature",
            "Temperature of each GPU.",
            Query(f"max by (gpu) ({either(GPU_TEMPERATURE, GPUS)})", EACH),
            units.Celsius,
            limits=high_is_bad(80, 88),
            low=None,
        ),
        graph(
            "GPU power",
            "Power draw of each GPU.",
            Query(f"max by (gpu) (DCGM_FI_DEV_POWER_USAGE{{{GPUS}}})", EACH),
            units.Watt,
        ),
    )
    made.line(
        graph(
            "GPU memory in use",
            "Frame buffer in use of each GPU.",
            Query(f"max by (gpu) (DCGM_FI_DEV_FB_USED{{{GPUS}}})", EACH),
            units.Mebibytes,
        ),
        graph(
            "SM clock",
            "Clock of the processors of each GPU. A clock far below that of the others under load is a slow GPU.",
            Query(f"max by (gpu) (DCGM_FI_DEV_SM_CLOCK{{{GPUS}}}) * 1e6", EACH),
            units.Hertz,
            low=None,
        ),
        graph(
            "Corrected memory errors",
            "Memory errors that ECC corrected, a minute.",
            Query(f"sum by (gpu) ({rate('DCGM_FI_DEV_ECC_SBE_VOL_TOTAL', GPUS)}) * 60", EACH),
            units.CountsPerMinute,
        ),
    )
    made.heading("Host")
    made.line(
        graph(
            "Processors",
            "Share of time of all processors, by what they did.",
            Query(
                f"sum by (mode) ({rate('node_cpu_seconds_total', BUSY)})"
                f' / scalar(count(node_cpu_seconds_total{{mode="idle",{NODES}}}))',
                "{{mode}}",
            ),
            units.PercentUnit,
            stacked=True,
            high=1,
        ),
        graph(
            "Memory",
            "Main memory, and what of it can still be given away.",
            [
                Query(f"sum(node_memory_MemTotal_bytes{{{NODES}}})", "there"),
                Query(f"sum(node_memory_MemAvailable_bytes{{{NODES}}})", "available"),
            ],
            units.BytesIEC,
        ),
        graph(
            "Pressure",
            "Share of time that some process waited for processors, memory or disks.",
            [
                Query(f"max({rate('node_pressure_cpu_waiting_seconds_total', NODES)})", "processors"),
                Query(f"max({rate('node_pressure_memory_waiting_seconds_total', NODES)})", "memory"),
                Query(f"max({rate('node_pressure_io_waiting_seconds_total', NODES)})", "disks"),
            ],
            units.PercentUnit,
        ),
    )
    made.line(
        graph(
            "Network",
            "What the node receives and sends, by port; Ethernet only, InfiniBand is on the page Fabric.",
            [
                Query(
                    f"sum by (device) ({rate('node_network_receive_bytes_total', CARDS)})",
                    "{{device}} received",
                ),
                Query(
                    f"sum by (device) ({rate('node_network_transmit_bytes_total', CARDS)})",
                    "{{device}} sent",
                ),
            ],
            units.BytesPerSecondSI,
        ),
        graph(
            "Disks",
            "What is read from and written to the busiest disks.",
            [
                Query(
                    f"topk({TOP}, sum by (device) ({rate('node_disk_read_bytes_total', NODES)}))",
                    "{{device}} read",
                ),
                Query(
                    f"topk({TOP}, sum by (device) ({rate('node_disk_written_bytes_total', NODES)}))",
                    "{{device}} written",
                ),
            ],
            units.BytesPerSecondSI,
        ),
        listing(
            "File systems, the fullest first",
            "How full the file systems of the node are.",
            {"mountpoint": "Mounted at", "device": "Device"},
            [
                Column(
                    "Used",
                    f"max by (mountpoint, device) (1 - node_filesystem_avail_bytes{{{KEPT}}}"
                    f" / node_filesystem_size_bytes{{{KEPT}}})",
                    units.PercentUnit,
                    high_is_bad(0.85, 0.95),
                    decimals=0,
                ),
                Column(
                    "Free",
                    f"max by (mountpoint, device) (node_filesystem_avail_bytes{{{KEPT}}})",
                    units.BytesIEC,
                ),
            ],
            "Used",
        ),
    )
    return made.build()
